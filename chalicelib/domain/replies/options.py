"""What one reply alone may be asked with: thinking, the provider's own options, images.

Only the fields named here reach the model's provider; a wrong one is refused by its name before anything is written. Options
are kept with the run, images as data URLs too; nothing is put into a file, and all of it is erased with the message.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from chalicelib import Refused

LONGEST_REPLY = 32_768
"""Tokens: a reply's document holds its text twice where it has parts, and 400 KB at most."""
DEFAULT_REPLY = 16_384
LARGEST_IMAGES = 250_000
"""Characters of all images of a message as data URLs; they are kept in one document."""
DATA_URL = re.compile(r"data:(image/(?:png|jpeg|gif|webp));base64,([A-Za-z0-9+/]+={0,2})")
BEGINNINGS = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff", "image/gif": b"GIF8", "image/webp": b"RIFF"}


Thinking = Literal["off", "adaptive"] | Annotated[int, Meta(ge=1024, lt=LONGEST_REPLY)] | None
"""`off`, `adaptive` (the model decides), or a budget in tokens; absent: the model's own default."""
Images = Annotated[list[str], Meta(max_length=5)] | None
"""Data URLs: png, jpeg, gif or webp as base64."""


class ProviderOptions(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Options of the model's provider that a caller may set; there are no others."""

    max_tokens: Annotated[int, Meta(ge=1, le=LONGEST_REPLY)] | None = None
    """Of the whole reply, thoughts and tools' inputs included; default 16384."""
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    stop_sequences: Annotated[list[Annotated[str, Meta(min_length=1, max_length=100)]], Meta(max_length=4)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=1, le=500)] | None = None


class SendOptions(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a send may say beside the message."""

    model: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    thinking: Thinking = None
    provider_options: ProviderOptions | None = None
    images: Images = None


def checked(options: SendOptions | None) -> dict[str, Any] | None:
    """Options as a run keeps them; None where there are none.

    Raises:
        Refused: `INVALID_OPTIONS`, which names the field.
    """
    if options is None:
        return None
    chosen = options.provider_options or ProviderOptions()
    budget = options.thinking if isinstance(options.thinking, int) else None
    longest = chosen.max_tokens or DEFAULT_REPLY
    if budget is not None and budget >= longest:
        raise _wrong("thinking", f"a budget is less than maxTokens ({longest})")
    if options.thinking not in (None, "off") and (chosen.temperature is not None or chosen.top_k is not None):
        wrong = "temperature" if chosen.temperature is not None else "topK"
        raise _wrong(f"providerOptions.{wrong}", "cannot be set together with thinking")
    for number, url in enumerate(options.images or []):
        _check_image(f"images[{number}]", url)
    if sum(map(len, options.images or [])) > LARGEST_IMAGES:
        raise _wrong("images", f"all images of a message have at most {LARGEST_IMAGES} characters as data URLs")
    kept: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(options, model=None))
    return kept or None


def image_parts(options: dict[str, Any] | None) -> list[dict[str, Any]] | None:
    """The parts of the message that stand for its images: `{type: "image", mediaType, bytes}`; the images stay with the run."""
    pairs = images_of(options)
    return [{"type": "image", "mediaType": kind, "bytes": len(data) * 3 // 4} for kind, data in pairs] or None


def images_of(options: dict[str, Any] | None) -> list[tuple[str, str]]:
    """(media type, base64) of the images of a run's options."""
    found = [DATA_URL.fullmatch(url) for url in (options or {}).get("images", [])]
    return [(each[1], each[2]) for each in found if each is not None]


def digest(options: dict[str, Any] | None) -> str:
    """What tells two sends of the same words apart."""
    return "" if options is None else "\0" + hashlib.sha256(msgspec.json.encode(options, order="sorted")).hexdigest()


def _check_image(field: str, url: str) -> None:
    if len(url) > LARGEST_IMAGES:
        raise _wrong(field, f"an image has at most {LARGEST_IMAGES} characters as a data URL")
    found = DATA_URL.fullmatch(url)
    if found is None:
        raise _wrong(field, "must be data:image/png;base64,… (or jpeg, gif, webp)")
    try:
        data = base64.b64decode(found[2], validate=True)
    except binascii.Error:
        raise _wrong(field, "is not base64") from None
    webp = found[1] != "image/webp" or data[8:12] == b"WEBP"
    if not data.startswith(BEGINNINGS[found[1]]) or not webp:
        raise _wrong(field, f"its content is not {found[1]}")


def _wrong(field: str, rule: str) -> Refused:
    return Refused("INVALID_OPTIONS", f"options.{field}: {rule}.", field=f"options.{field}")
