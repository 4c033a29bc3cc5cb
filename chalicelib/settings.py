"""Every knob of a process, read once from the environment.

| variable | default | what it is |
|---|---|---|
| STORE | sqlite; dynamodb when STAGE is set | where documents are |
| DYNAMODB_ENDPOINT_URL | (AWS) | another DynamoDB engine |
| TABLE_PREFIX | empty; `concave-<STAGE>-` when STAGE is set | goes before every DynamoDB table name |
| DATA_DIR | .concave | the local server's files: database, issuer key |
| PORT | 3210 | the local server's port; 0 = any free one |
| STAGE | (unset) | set only in the cloud; unset means development: error details, log lines, dev issuer |
| WS_ENDPOINT | (unset) | base URL of the WebSocket API's @connections |
| CHAT_MOUNT | (none) | a name that goes before the built-in chat's functions (`chat/tasks:create`) and tables (`chat_tasks`) |
| CONCAVE_APPS | chalicelib.functions | packages of tables and functions, comma list |
| ANTHROPIC_API_KEY | (unset) | the model's key; without it the local server's scripted model answers |
| ANTHROPIC_API_KEY_SECRET | (unset) | ARN of the secret in Secrets Manager: the key, or a JSON object with it and others |
| MODEL_URL | (Anthropic) | another server that speaks the Messages API |
| AUTH_ISSUER | (none) | token issuers, comma list |
| AUTH_AUDIENCE | (required with AUTH_ISSUER) | one per issuer, in the same order; `*` = any |
| AUTH_JWKS | OIDC discovery | key set URLs (https: or data:), one per issuer; an empty entry = discovery |
| AUTH_ORG_CLAIM | org | the claim of the caller's org (`a.b`: a nested one), then `org_id`; `sub`: each user is one |
| AUTH_ORG_DEFAULT | (none) | the org of tokens that name none, where a deployment serves one organisation |
| ORIGIN_SECRET | (unset) | what the edge sends in `x-concave-origin`; requests without it are refused |
| SIGNING_KEY | (unset; the local server makes one) | an EC P-256 private key in PEM (`\\n` for line ends): signs agents' tokens |
| CHUNK_FLUSH_MS | 250; 60 without STAGE | a reply's text waits at most so long to be stored (ms); a full chunk does not wait |
| GENERATION_TIMEOUT_S | 840 | seconds that one reply may take; its text so far stays |
| MODEL_FAILURES | 5 | failures of a model in a row after which a process leaves it alone for half a minute; 0 = never |
| TOKEN_BUDGET_PER_ORG | 2000000 | model tokens an org may use per UTC day; 0 = none at all |
| REPLIES_PER_USER | 200 | replies that a user has asked for and that have not ended; 0 = no limit |
| SESSIONS_PER_USER | 10000 | sessions that a user may have, each with its conversation and image; 0 = no limit |
| TASKS_PER_USER | 10000 | tasks that a user may have; 0 = no limit |
| SCHEDULES_PER_USER | 100 | cron agents that a user may have, 1 to 100 |
| ANONYMOUS | on | `off`: callers without a token are refused, on every door |
| CALLS_PER_SECOND | 200; 2000 without STAGE | calls of one caller in one process, five seconds' worth at once; 0 = no limit |
| SUBSCRIPTIONS_PER_CONNECTION | 1000 | live queries of one socket; further ones fail |
| WATCHES_PER_CONNECTION | 10000 | documents and ranges that one socket's queries may watch together; further queries fail |
| MAILBOX_LEASE | 30 | seconds one holder may serve a connection without renewing |
| LANE_LEASE | 60 | seconds one mutation may hold its connection's lane |
| RUN_LEASE | 60 | seconds a reply's writer may be silent before it counts as dead |
| JOB_LEASE | 60 | seconds a job's runner may be silent before the job runs again |
| IDENTITY_WAIT_MS | 5000; 150 without STAGE | a new connection's calls wait so long for its token; then it is anonymous |
| PING_SECONDS_RUST | 25 | quiet time after which a Rust-based client (Python, Swift, Kotlin) is pinged |
| PING_SECONDS | 50 | the same for the npm client |
| MCP_HOSTS | (none); `*` without STAGE | hosts of MCP servers that may be used, comma list; `*.a.org` is all below it |
| MCP_SECRET_<NAME> | (none) | a token of an MCP server, which `{"secret": "<NAME>"}` names; `HOST TOKEN` is for that host alone |
| SYSTEM_MCP_SERVERS | (none) | servers of tools of every conversation: JSON, a name → `{"url", "authorization": {"secret"}}` |
| MCP_COMMANDS | (none) | programs that a worker may start as MCP servers, comma list |
| PUSH_PUBLIC_KEY | (none; the local server makes a pair) | base64url of a P-256 point: what browsers subscribe with |
| PUSH_PRIVATE_KEY | (none) | base64url of its 32 secret bytes: signs push messages; only who sends them has it |
| PUSH_SUBJECT | (none); an example without STAGE | whom push services may ask, `mailto:` or `https:`; without it none are sent |
| PUSH_HOSTS | Chrome's, Firefox's, Edge's, Safari's | push services, comma list; without STAGE also `http://127.0.0.1:<port>` |
| FAN_OUT_THREADS | 8 | slices of eight connections that one fan-out serves at once |

The template also sets FUNCTION_<ENTRY POINT> and QUEUE_<ENTRY POINT>, which `aws/invoke.py` reads.

The local server reads a few more: ALLOWED_HOSTS, ALLOWED_ORIGINS, HOT, SITE, SWEEP_SECONDS, VERBOSE; the page's, CONCAVE_URL.

A wrong value raises `BadSetting`, which names the variable, the value and what would be right; so does a variable whose name is
nearly one of these, or that begins with CONCAVE_ and is none (`misspelt.py`).
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from chalicelib.misspelt import misspelt, names_in

VERSION = "0.1.0"
"""The release, as `GET /version` says it; `pyproject.toml` carries the same (checked by a test)."""

MCP_SECRET = "MCP_SECRET_"
"""How the variables begin that hold tokens of MCP servers."""

PUSH_SERVICES = (
    "fcm.googleapis.com",
    "updates.push.services.mozilla.com",
    "*.push.services.mozilla.com",
    "*.notify.windows.com",
    "web.push.apple.com",
    "*.push.apple.com",
)
"""Where browsers have their push messages sent to."""

StoreKind = Literal["sqlite", "dynamodb"]


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


@dataclass(frozen=True)
class Settings:
    """The table above, typed. Build it with `from_env`; tests may build it directly. Times say their unit."""

    store: StoreKind = "sqlite"
    dynamodb_endpoint: str | None = None
    prefix: str = ""
    data_dir: Path = Path(".concave")
    port: int = 3210
    stage: str | None = None
    ws_endpoint: str | None = None
    apps: tuple[str, ...] = ("chalicelib.functions",)
    chat_mount: str | None = None
    anthropic_key: str | None = field(default=None, repr=False)
    anthropic_key_secret: str | None = None
    origin_secret: str | None = field(default=None, repr=False)
    model_url: str | None = None
    auth: tuple[AuthProvider, ...] = ()
    org_claim: str = "org"
    org_default: str | None = None
    signing_key: str | None = field(default=None, repr=False)
    chunk_flush_ms: int = 60
    generation_timeout_s: int = 840
    model_failures: int = 5
    token_budget_per_org: int = 2_000_000
    replies_per_user: int = 200
    sessions_per_user: int = 10_000
    tasks_per_user: int = 10_000
    schedules_per_user: int = 100
    anonymous: bool = True
    calls_per_second: int = 2000
    subscriptions_per_connection: int = 1000
    watches_per_connection: int = 10_000
    mailbox_lease_s: int = 30
    lane_lease_s: int = 60
    run_lease_s: int = 60
    job_lease_s: int = 60
    identity_wait_ms: int = 150
    ping_rust_s: int = 25
    ping_s: int = 50
    fan_out_threads: int = 8
    mcp_hosts: tuple[str, ...] = ("*",)
    mcp_commands: tuple[str, ...] = ()
    mcp_system: Mapping[str, Any] = field(default_factory=dict)
    mcp_secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    push_public_key: str | None = None
    push_private_key: str | None = field(default=None, repr=False)
    push_subject: str | None = "mailto:operator@example.com"
    push_hosts: tuple[str, ...] = PUSH_SERVICES

    @property
    def development(self) -> bool:
        """True on a laptop and in tests: no STAGE. Details of errors and log lines go to clients only then."""
        return self.stage is None

    @property
    def push_key(self) -> str | None:
        """What browsers subscribe with; None where no push messages are sent, because a key or the contact is missing."""
        return self.push_public_key if self.push_subject else None

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Settings:
        """Read and check every variable of the table.

        Raises:
            BadSetting: the first variable that cannot be used.
        """
        _all_known(env)
        stage = _word(env, "STAGE")
        return cls(
            store=_store(env, stage),
            dynamodb_endpoint=_url(env, "DYNAMODB_ENDPOINT_URL"),
            prefix=_prefix(env, stage),
            data_dir=Path(_text(env, "DATA_DIR") or ".concave"),
            port=_number(env, "PORT", 3210, 0, 65535),
            stage=stage,
            ws_endpoint=_url(env, "WS_ENDPOINT"),
            apps=_packages(env, "CONCAVE_APPS"),
            chat_mount=_mount(env, "CHAT_MOUNT"),
            anthropic_key=_text(env, "ANTHROPIC_API_KEY"),
            anthropic_key_secret=_text(env, "ANTHROPIC_API_KEY_SECRET"),
            origin_secret=_text(env, "ORIGIN_SECRET"),
            model_url=_url(env, "MODEL_URL"),
            auth=_auth(env),
            org_claim=_text(env, "AUTH_ORG_CLAIM") or "org",
            org_default=_org(env, "AUTH_ORG_DEFAULT"),
            signing_key=_pem(env, "SIGNING_KEY"),
            chunk_flush_ms=_number(env, "CHUNK_FLUSH_MS", 60 if stage is None else 250, 1, 10_000),
            generation_timeout_s=_number(env, "GENERATION_TIMEOUT_S", 840, 1, 840),
            model_failures=_number(env, "MODEL_FAILURES", 5, 0, 1000),
            token_budget_per_org=_number(env, "TOKEN_BUDGET_PER_ORG", 2_000_000, 0, 10**12),
            replies_per_user=_number(env, "REPLIES_PER_USER", 200, 0, 100_000),
            sessions_per_user=_number(env, "SESSIONS_PER_USER", 10_000, 0, 10_000_000),
            tasks_per_user=_number(env, "TASKS_PER_USER", 10_000, 0, 10_000_000),
            schedules_per_user=_number(env, "SCHEDULES_PER_USER", 100, 1, 100),
            anonymous=_switch(env, "ANONYMOUS", True),
            calls_per_second=_number(env, "CALLS_PER_SECOND", 2000 if stage is None else 200, 0, 1_000_000),
            subscriptions_per_connection=_number(env, "SUBSCRIPTIONS_PER_CONNECTION", 1000, 1, 100_000),
            watches_per_connection=_number(env, "WATCHES_PER_CONNECTION", 10_000, 1, 1_000_000),
            mailbox_lease_s=_number(env, "MAILBOX_LEASE", 30, 1, 900),
            lane_lease_s=_number(env, "LANE_LEASE", 60, 1, 900),
            run_lease_s=_number(env, "RUN_LEASE", 60, 1, 900),
            job_lease_s=_number(env, "JOB_LEASE", 60, 1, 900),
            identity_wait_ms=_number(env, "IDENTITY_WAIT_MS", 150 if stage is None else 5000, 0, 10_000),
            ping_rust_s=_number(env, "PING_SECONDS_RUST", 25, 1, 600),
            ping_s=_number(env, "PING_SECONDS", 50, 1, 600),
            fan_out_threads=_number(env, "FAN_OUT_THREADS", 8, 1, 32),
            mcp_hosts=_words(env, "MCP_HOSTS", ("*",) if stage is None else ()),
            mcp_commands=_words(env, "MCP_COMMANDS", ()),
            mcp_system=_servers(env, "SYSTEM_MCP_SERVERS"),
            push_public_key=_key(env, "PUSH_PUBLIC_KEY", 65),
            push_private_key=_key(env, "PUSH_PRIVATE_KEY", 32),
            push_subject=_contact(env, "PUSH_SUBJECT", stage),
            push_hosts=_push_hosts(env, "PUSH_HOSTS", stage),
            mcp_secrets={name[len(MCP_SECRET) :]: value for name, value in env.items() if name.startswith(MCP_SECRET)},
        )


def _all_known(env: Mapping[str, str]) -> None:
    """Whether no variable was meant as a setting and is none."""
    ours = {name: value for name, value in env.items() if not name.startswith((MCP_SECRET, "FUNCTION_", "QUEUE_"))}
    found = misspelt(ours, names_in(__doc__ or ""))
    if found is not None:
        name, meant = found
        raise BadSetting(name, "…", f"there is no such setting; did you mean {meant}?" if meant else "there is no such setting")


# Readers of one variable: an empty string counts as unset ---------------------------------------------------------------


def _text(env: Mapping[str, str], name: str) -> str | None:
    return env.get(name, "").strip() or None


def _words(env: Mapping[str, str], name: str, default: tuple[str, ...]) -> tuple[str, ...]:
    found = tuple(word for each in (_text(env, name) or "").split(",") if (word := each.strip()))
    wrong = next((each for each in found if not re.fullmatch(r"\*|(\*\.)?[A-Za-z0-9_./-]{1,200}", each)), None)
    if wrong is not None:
        raise BadSetting(name, wrong, "must be a comma list of names")
    return found or default


def _servers(env: Mapping[str, str], name: str) -> dict[str, Any]:
    """Servers of tools that the operator gives to every conversation."""
    value = _text(env, name)
    try:
        servers = json.loads(value) if value is not None else {}
    except ValueError:
        raise BadSetting(name, "…", "must be JSON") from None
    rule = "must be an object of names, each with an https `url`, and `authorization` with the name of a `secret` where needed"
    if not isinstance(servers, dict):
        raise BadSetting(name, "…", rule)
    for each, how in servers.items():
        wrong = not isinstance(how, dict) or not how.keys() <= {"url", "authorization"} or not re.fullmatch(r"[\w-]{1,64}", each)
        if wrong or not str(how.get("url")).startswith("https://") or not _names_secret(how.get("authorization")):
            raise BadSetting(name, each, rule)
    return servers


def _names_secret(how: Any) -> bool:
    return how is None or (isinstance(how, dict) and list(how) == ["secret"] and isinstance(how["secret"], str))


def _word(env: Mapping[str, str], name: str) -> str | None:
    value = _text(env, name)
    if value is not None and not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,30}", value):
        raise BadSetting(name, value, "must be lower-case letters, digits and hyphens, at most 31 characters")
    return value


def _org(env: Mapping[str, str], name: str) -> str | None:
    value = _text(env, name)
    if value is not None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.@|:-]{0,127}", value):
        raise BadSetting(name, value, "must be 1 to 128 letters, digits, `_`, `-`, `.`, `@`, `:` or `|`")
    return value


def _switch(env: Mapping[str, str], name: str, default: bool) -> bool:
    value = _text(env, name)
    if value not in (None, "on", "off"):
        raise BadSetting(name, str(value), "must be on or off")
    return default if value is None else value == "on"


def _mount(env: Mapping[str, str], name: str) -> str | None:
    value = _text(env, name)
    if value is not None and not re.fullmatch(r"[a-z][a-z0-9]{0,19}", value):
        raise BadSetting(name, value, "must be lower-case letters and digits, a letter first, at most 20 characters")
    return value


def _number(env: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    value = _text(env, name)
    if value is None:
        return default
    if not re.fullmatch(r"[0-9]{1,13}", value) or not low <= int(value) <= high:
        raise BadSetting(name, value, f"must be a whole number from {low} to {high}")
    return int(value)


def _pem(env: Mapping[str, str], name: str) -> str | None:
    value = _text(env, name)
    if value is not None and "PRIVATE KEY-----" not in value:
        raise BadSetting(name, "…", "must be a private key in PEM, its line ends written as \\n")
    return value and value.replace("\\n", "\n")


def _key(env: Mapping[str, str], name: str, size: int) -> str | None:
    """One half of a key pair, without the padding that some tools add."""
    value = (_text(env, name) or "").rstrip("=")
    if not value:
        return None
    try:
        found = base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if len(found) != size or (size == 65 and found[0] != 4):
        raise BadSetting(name, "…", f"must be base64url of {size} bytes of a P-256 key")
    return value


def _contact(env: Mapping[str, str], name: str, stage: str | None) -> str | None:
    value = _text(env, name)
    if value is not None and not re.fullmatch(r"mailto:[^@\s]+@[\w.-]+|https://[\w-]+\.[\w./-]+", value):
        raise BadSetting(name, value, "must be mailto:someone@example.com or https://example.com")
    return value or (Settings.push_subject if stage is None else None)


def _push_hosts(env: Mapping[str, str], name: str, stage: str | None) -> tuple[str, ...]:
    """Hosts, and on a laptop also origins of this machine, which tests listen at."""
    here = r"http://(127\.0\.0\.1|localhost):[0-9]{1,5}"
    found = tuple(word for each in (_text(env, name) or "").split(",") if (word := each.strip().lower()))
    wrong = next((each for each in found if not re.fullmatch(rf"(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)+|{here}", each)), None)
    if wrong is not None or (stage is not None and any("/" in each for each in found)):
        raise BadSetting(name, wrong or ",".join(found), "must be a comma list of host names; `*.a.org` is all below a.org")
    return found or PUSH_SERVICES


def _url(env: Mapping[str, str], name: str) -> str | None:
    value = _text(env, name)
    if value is None:
        return None
    if not _is_web_url(value):
        raise BadSetting(name, value, "must be a URL such as https://example.com")
    return value.rstrip("/")


def _is_web_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # urlsplit's word for a broken host or port
        return False


def _store(env: Mapping[str, str], stage: str | None) -> StoreKind:
    value = _text(env, "STORE") or ("sqlite" if stage is None else "dynamodb")
    if value == "dynamodb":
        return "dynamodb"
    if value != "sqlite":
        raise BadSetting("STORE", value, "must be sqlite or dynamodb")
    if stage is not None:
        raise BadSetting("STORE", value, "SQLite serves one machine; with STAGE set it must be dynamodb")
    return "sqlite"


def _prefix(env: Mapping[str, str], stage: str | None) -> str:
    value = _text(env, "TABLE_PREFIX") or ("" if stage is None else f"concave-{stage}-")
    if not re.fullmatch(r"[A-Za-z0-9_.-]{0,100}", value):
        raise BadSetting("TABLE_PREFIX", value, "must be letters, digits, `_`, `.` and `-`, at most 100")
    return value


def _packages(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    value = _text(env, name) or "chalicelib.functions"
    names = tuple(part.strip() for part in value.split(","))
    if not all(re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", part) for part in names):
        raise BadSetting(name, value, "must be a comma list of Python package names")
    return names


def _auth(env: Mapping[str, str]) -> tuple[AuthProvider, ...]:
    """The three AUTH lists, zipped. Issuer and audience go together: a token for another application must not open this one."""
    issuers, audiences, jwks = (_text(env, name) for name in ("AUTH_ISSUER", "AUTH_AUDIENCE", "AUTH_JWKS"))
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
