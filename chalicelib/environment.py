"""Readers of variables of the environment, one each: an empty text counts as unset, and a wrong one is a `BadSetting`."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

PUSH_SERVICES = (
    "fcm.googleapis.com",
    "updates.push.services.mozilla.com",
    "*.push.services.mozilla.com",
    "*.notify.windows.com",
    "web.push.apple.com",
    "*.push.apple.com",
)
"""Where browsers have their push messages sent to."""

PUSH_SUBJECT = "mailto:operator@example.com"
"""Whom push services may ask on a laptop."""
StoreKind = Literal["sqlite", "dynamodb"]
LiveKind = Literal["owner", "rows"]
SyncKind = Literal["normal", "full"]


class BadSetting(ValueError):
    """A variable of the environment has a value that cannot be used; the message says which and why."""

    def __init__(self, name: str, value: str, rule: str) -> None:
        super().__init__(f"{name}={value!r}: {rule}")
        self.name = name


class AuthProvider(NamedTuple):
    """Whose tokens are accepted. `jwks` None: OIDC discovery; `audience` None: any audience."""

    issuer: str
    jwks: str | None
    audience: str | None


def hex_of(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Keys of 32 bytes, comma list. Raises `BadSetting`."""
    found = tuple(word for each in (text_of(env, name) or "").split(",") if (word := each.strip().lower()))
    if not all(re.fullmatch("[0-9a-f]{64}", each) for each in found):
        raise BadSetting(
            name, "…", "must be 64 hexadecimal digits, as `openssl rand -hex 32` and `concave key --public` print them"
        )
    return found


def text_of(env: Mapping[str, str], name: str) -> str | None:
    """A text; None where it is not set or empty."""
    return env.get(name, "").strip() or None


def words_of(env: Mapping[str, str], name: str, default: tuple[str, ...]) -> tuple[str, ...]:
    """A comma list of names. Raises `BadSetting`."""
    found = tuple(word for each in (text_of(env, name) or "").split(",") if (word := each.strip()))
    wrong = next((each for each in found if not re.fullmatch(r"\*|(\*\.)?[A-Za-z0-9_./-]{1,200}", each)), None)
    if wrong is not None:
        raise BadSetting(name, wrong, "must be a comma list of names")
    return found or default


HERE = r"http://(127\.0\.0\.1|localhost):[0-9]{1,5}"
"""An origin of this machine, which a laptop's tests listen at."""


def mcp_hosts_of(env: Mapping[str, str], name: str, stage: str | None) -> tuple[str, ...]:
    """Hosts of servers of tools, and on a laptop also origins of this machine. Raises `BadSetting`."""
    named = [word for each in (text_of(env, name) or "").split(",") if (word := each.strip())]
    here = tuple(each.lower() for each in named if re.fullmatch(HERE, each.lower()))
    if here and stage is not None:
        raise BadSetting(name, here[0], "must be a comma list of host names; `*.a.org` is all below a.org")
    others = {name: ",".join(each for each in named if each.lower() not in here)}
    return words_of(others, name, ("*",) if stage is None and not here else ()) + here


def approval_of(env: Mapping[str, str], name: str) -> str:
    """`never` or `always`. Raises `BadSetting`."""
    value = text_of(env, name) or "never"
    if value not in ("never", "always"):
        raise BadSetting(name, value, "must be never or always")
    return value


def servers_of(env: Mapping[str, str], name: str) -> dict[str, Any]:
    """Servers of tools that the operator gives to every conversation."""
    value = text_of(env, name)
    try:
        servers = json.loads(value) if value is not None else {}
    except ValueError:
        raise BadSetting(name, "…", "must be JSON") from None
    rule = "must be an object of names, each with an https `url`, `authorization` with the name of a `secret` where needed"
    rule += ", and `requireApproval` (always, never, or a list of tools)"
    if not isinstance(servers, dict):
        raise BadSetting(name, "…", rule)
    for each, how in servers.items():
        known = {"url", "authorization", "requireApproval"}
        wrong = not isinstance(how, dict) or not how.keys() <= known or not re.fullmatch(r"[\w-]{1,64}", each)
        wrong = wrong or not _is_approval(how.get("requireApproval", "never"))
        if wrong or not str(how.get("url")).startswith("https://") or not _names_secret(how.get("authorization")):
            raise BadSetting(name, each, rule)
    return servers


def _is_approval(how: Any) -> bool:
    return how in ("always", "never") if isinstance(how, str) else isinstance(how, list) and all(isinstance(x, str) for x in how)


def _names_secret(how: Any) -> bool:
    return how is None or (isinstance(how, dict) and list(how) == ["secret"] and isinstance(how["secret"], str))


def prices_of(env: Mapping[str, str], name: str) -> dict[str, dict[str, float]]:
    """What a million tokens of a model cost, in dollars, by kind. Raises `BadSetting`."""
    value = text_of(env, name)
    rule = 'must be JSON such as {"a-model": {"input": 3, "output": 15}}; "cacheRead" and "cacheWrite" are the other kinds'
    try:
        prices = json.loads(value) if value is not None else {}
    except ValueError:
        raise BadSetting(name, value or "", rule) from None
    if not isinstance(prices, dict):
        raise BadSetting(name, value or "", rule)
    for model, kinds in prices.items():
        if not isinstance(kinds, dict) or not kinds.keys() <= {"input", "output", "cacheRead", "cacheWrite"}:
            raise BadSetting(name, model, rule)
        if any(isinstance(each, bool) or not isinstance(each, int | float) or not 0 <= each < 10**6 for each in kinds.values()):
            raise BadSetting(name, model, rule)
    return prices


def word_of(env: Mapping[str, str], name: str) -> str | None:
    """A short name: lower-case letters, digits and hyphens. Raises `BadSetting`."""
    value = text_of(env, name)
    if value is not None and not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,30}", value):
        raise BadSetting(name, value, "must be lower-case letters, digits and hyphens, at most 31 characters")
    return value


def org_of(env: Mapping[str, str], name: str) -> str | None:
    """The name of an org, as tokens carry it. Raises `BadSetting`."""
    value = text_of(env, name)
    if value is not None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.@|:-]{0,127}", value):
        raise BadSetting(name, value, "must be 1 to 128 letters, digits, `_`, `-`, `.`, `@`, `:` or `|`")
    return value


def switch_of(env: Mapping[str, str], name: str, default: bool) -> bool:
    """`on` or `off`. Raises `BadSetting`."""
    value = text_of(env, name)
    if value not in (None, "on", "off"):
        raise BadSetting(name, str(value), "must be on or off")
    return default if value is None else value == "on"


def mount_of(env: Mapping[str, str], name: str) -> str | None:
    """What goes before the built-in chat's names. Raises `BadSetting`."""
    value = text_of(env, name)
    if value is not None and not re.fullmatch(r"[a-z][a-z0-9]{0,19}", value):
        raise BadSetting(name, value, "must be lower-case letters and digits, a letter first, at most 20 characters")
    return value


def number_of(env: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    """A whole number between two bounds. Raises `BadSetting`."""
    value = text_of(env, name)
    if value is None:
        return default
    if not re.fullmatch(r"[0-9]{1,13}", value) or not low <= int(value) <= high:
        raise BadSetting(name, value, f"must be a whole number from {low} to {high}")
    return int(value)


def pem_of(env: Mapping[str, str], name: str) -> str | None:
    """A private key in PEM. Raises `BadSetting`."""
    value = text_of(env, name)
    if value is not None and "PRIVATE KEY-----" not in value:
        raise BadSetting(name, "…", "must be a private key in PEM, its line ends written as \\n")
    return value and value.replace("\\n", "\n")


def key_of(env: Mapping[str, str], name: str, size: int) -> str | None:
    """One half of a key pair, without the padding that some tools add."""
    value = (text_of(env, name) or "").rstrip("=")
    if not value:
        return None
    try:
        found = base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if len(found) != size or (size == 65 and found[0] != 4):
        raise BadSetting(name, "…", f"must be base64url of {size} bytes of a P-256 key")
    return value


def contact_of(env: Mapping[str, str], name: str, stage: str | None) -> str | None:
    """Whom push services may ask. Raises `BadSetting`."""
    value = text_of(env, name)
    if value is not None and not re.fullmatch(r"mailto:[^@\s]+@[\w.-]+|https://[\w-]+\.[\w./-]+", value):
        raise BadSetting(name, value, "must be mailto:someone@example.com or https://example.com")
    return value or (PUSH_SUBJECT if stage is None else None)


def push_hosts_of(env: Mapping[str, str], name: str, stage: str | None) -> tuple[str, ...]:
    """Hosts, and on a laptop also origins of this machine, which tests listen at."""
    found = tuple(word for each in (text_of(env, name) or "").split(",") if (word := each.strip().lower()))
    wrong = next((each for each in found if not re.fullmatch(rf"(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)+|{HERE}", each)), None)
    if wrong is not None or (stage is not None and any("/" in each for each in found)):
        raise BadSetting(name, wrong or ",".join(found), "must be a comma list of host names; `*.a.org` is all below a.org")
    return found or PUSH_SERVICES


def url_of(env: Mapping[str, str], name: str) -> str | None:
    """A web address, without a slash at its end. Raises `BadSetting`."""
    value = text_of(env, name)
    if value is None:
        return None
    if not _is_web_url(value):
        raise BadSetting(name, value, "must be a URL such as https://example.com")
    return value.rstrip("/")


def vectors_of(env: Mapping[str, str], name: str, store: StoreKind) -> str:
    """Where vectors are compared: `rows`, or `s3:` with the name of a vector bucket. Raises `BadSetting`."""
    value = text_of(env, name) or "rows"
    if value != "rows" and not re.fullmatch(r"s3:[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", value):
        raise BadSetting(name, value, "must be rows, or s3: with the name of a vector bucket")
    if value != "rows" and store == "sqlite":
        raise BadSetting(name, value, "STORE=sqlite compares vectors itself: leave it out")
    return value


def embedder_of(env: Mapping[str, str], name: str, stage: str | None) -> str:
    """What turns texts into vectors: a word, `bedrock:` with a model's id, or an endpoint's URL. Raises `BadSetting`."""
    value = text_of(env, name) or ("offline" if stage is None else "given")
    known = value in ("given", "offline", "hashing", "wordllama") or _is_web_url(value)
    if not known and not re.fullmatch(r"bedrock:([a-z-]+\.)?(amazon\.titan-embed-text-v2|cohere\.embed)[A-Za-z0-9.:-]*", value):
        raise BadSetting(name, value, "must be given, offline, hashing, wordllama, bedrock:<model id>, or the URL of an endpoint")
    return value


def _is_web_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # urlsplit's word for a broken host or port
        return False


def store_of(env: Mapping[str, str], stage: str | None) -> StoreKind:
    """Where documents are. Raises `BadSetting`."""
    value = text_of(env, "STORE") or ("sqlite" if stage is None else "dynamodb")
    if value == "dynamodb":
        return "dynamodb"
    if value != "sqlite":
        raise BadSetting("STORE", value, "must be sqlite or dynamodb")
    if stage is not None:
        raise BadSetting("STORE", value, "SQLite serves one machine; with STAGE set it must be dynamodb")
    return "sqlite"


def live_of(env: Mapping[str, str]) -> LiveKind:
    """Where a server keeps its connections. Raises `BadSetting`."""
    value = text_of(env, "LIVE") or "owner"
    if value not in ("owner", "rows"):
        raise BadSetting("LIVE", value, "must be owner or rows")
    return "owner" if value == "owner" else "rows"


def sync_of(env: Mapping[str, str], name: str) -> SyncKind:
    """How long a commit waits for the disk. Raises `BadSetting`."""
    value = (text_of(env, name) or "normal").lower()
    if value == "full":
        return "full"
    if value != "normal":
        raise BadSetting(name, value, "must be normal or full")
    return "normal"


def prefix_of(env: Mapping[str, str], stage: str | None) -> str:
    """What goes before the names of DynamoDB's tables. Raises `BadSetting`."""
    value = text_of(env, "TABLE_PREFIX") or ("" if stage is None else f"concave-{stage}-")
    if not re.fullmatch(r"[A-Za-z0-9_.-]{0,100}", value):
        raise BadSetting("TABLE_PREFIX", value, "must be letters, digits, `_`, `.` and `-`, at most 100")
    return value


def packages_of(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    """A comma list of Python packages. Raises `BadSetting`."""
    value = text_of(env, name) or "chalicelib.functions"
    names = tuple(part.strip() for part in value.split(","))
    if not all(re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", part) for part in names):
        raise BadSetting(name, value, "must be a comma list of Python package names")
    return names


def auth_of(env: Mapping[str, str]) -> tuple[AuthProvider, ...]:
    """The three AUTH lists, zipped. Issuer and audience go together: a token for another application must not open this one."""
    issuers, audiences, jwks = (text_of(env, name) for name in ("AUTH_ISSUER", "AUTH_AUDIENCE", "AUTH_JWKS"))
    if issuers is None:
        for name, value in (("AUTH_AUDIENCE", audiences), ("AUTH_JWKS", jwks)):
            if value is not None:
                raise BadSetting(name, value, "AUTH_ISSUER must be set with it")
        return ()
    names = _entries("AUTH_ISSUER", issuers)
    if audiences is None:
        raise BadSetting("AUTH_AUDIENCE", "", "must name the audience of your tokens, one per issuer (`*` accepts any)")
    allowed = _entries("AUTH_AUDIENCE", audiences)
    # A data: URL contains commas, so only a comma before another URL, or before nothing, separates.
    urls = [url.strip() for url in re.split(r",(?=\s*(?:https?:|data:|,|$))", jwks)] if jwks else [""] * len(names)
    for name, value, found in (("AUTH_AUDIENCE", audiences, allowed), ("AUTH_JWKS", jwks or "", urls)):
        if len(found) != len(names):
            raise BadSetting(name, value, f"has {len(found)} entries for {len(names)} of AUTH_ISSUER")
    for url in urls:
        if url and not url.startswith("data:") and not _is_web_url(url):
            raise BadSetting("AUTH_JWKS", url, "must be an https: or data: URL")
    return tuple(
        AuthProvider(issuer, url or None, None if audience == "*" else audience)
        for issuer, url, audience in zip(names, urls, allowed, strict=True)
    )


def _entries(name: str, value: str) -> list[str]:
    entries = [part.strip() for part in value.split(",")]
    if not all(entries):
        raise BadSetting(name, value, "has an empty entry")
    return entries
