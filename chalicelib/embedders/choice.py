"""Which embedder a process has, from its settings."""

from __future__ import annotations

from chalicelib.embedders.bedrock import Bedrock
from chalicelib.embedders.hashing import Hashing
from chalicelib.embedders.remote import Remote
from chalicelib.embedders.static import WordLlama, installed
from chalicelib.settings import Settings

Embedders = Hashing | WordLlama | Remote | Bedrock


def chosen(settings: Settings) -> Embedders | None:
    """What EMBEDDER says; None: callers bring their vectors. Nothing is loaded or asked yet."""
    kind, dimensions = settings.embedder, settings.embedder_dimensions
    if kind == "given":
        return None
    if kind == "wordllama" or (kind == "offline" and installed()):
        return WordLlama()
    if kind in ("hashing", "offline"):
        return Hashing(dimensions)
    if kind.startswith("bedrock:"):
        return Bedrock(kind.removeprefix("bedrock:"), dimensions)
    return Remote(kind, settings.embedder_model, settings.embedder_key, dimensions)
