"""Which embedder a process has, from its settings. Only that one is imported: a cold start pays for no other."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from chalicelib.settings import Settings

if TYPE_CHECKING:
    from chalicelib.embedders.bedrock import Bedrock
    from chalicelib.embedders.hashing import Hashing
    from chalicelib.embedders.remote import Remote
    from chalicelib.embedders.static import WordLlama

    Embedders = Hashing | WordLlama | Remote | Bedrock


def chosen(settings: Settings, key: Callable[[], str | None] | None = None) -> Embedders | None:
    """What EMBEDDER says; None: callers bring their vectors. Nothing is loaded or asked yet.

    Args:
        key: reads an endpoint's key when it is asked; None: it is in the settings.
    """
    kind, dimensions = settings.embedder, settings.embedder_dimensions
    if kind == "given":
        return None
    if kind in ("wordllama", "offline"):
        from chalicelib.embedders.static import WordLlama, installed

        if kind == "wordllama" or installed():
            return WordLlama()
    if kind in ("hashing", "offline"):
        from chalicelib.embedders.hashing import Hashing

        return Hashing(dimensions)
    if kind.startswith("bedrock:"):
        from chalicelib.embedders.bedrock import Bedrock

        return Bedrock(kind.removeprefix("bedrock:"), dimensions)
    from chalicelib.embedders.remote import Remote

    return Remote(kind, settings.embedder_model, key or settings.embedder_key, dimensions)
