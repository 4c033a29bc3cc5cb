"""Every knob of a process, read once from the environment.

| variable | default | what it is |
|---|---|---|
| STORE | sqlite; dynamodb when STAGE is set | where documents are |
| SQLITE_SYNC | normal | `full`: every commit waits until the disk has it, and survives a power cut, not only `kill -9` |
| DYNAMODB_ENDPOINT_URL | (AWS) | another DynamoDB engine |
| LIVE | owner | `owner`: the server keeps its sockets' sessions in memory; `rows`: as rows, as it is on Lambda always |
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
| OPERATOR_KEY | (none; the local server makes one) | signs the keys of operators: an Ed25519 private key, 64 hexadecimal digits |
| OPERATOR_PUBLIC_KEY | OPERATOR_KEY's | checks the keys of operators: public halves, comma list (docs/operators.md) |
| ORIGIN_SECRET | (unset) | what the edge sends in `x-concave-origin`; requests without it are refused |
| SIGNING_KEY | (unset; the local server makes one) | an EC P-256 private key in PEM (`\\n` for line ends): signs agents' tokens |
| SIGNING_KEY_SECRET | (unset) | ARN of the secret in Secrets Manager with that key, read where something is signed |
| SIGNING_PUBLIC_KEY | (SIGNING_KEY's) | base64url of its public point: verifies agents' tokens where nothing is signed |
| CHUNK_FLUSH_MS | 250; 60 without STAGE | how long text waits to be stored (ms); doubled after 2 s, and for over 4 sockets |
| GENERATION_TIMEOUT_S | 840 | seconds that one reply may take; its text so far stays |
| MODEL_FAILURES | 5 | failures of a model in a row after which a process leaves it alone for half a minute; 0 = never |
| MODEL_PRICES | (none) | dollars per million tokens: JSON, a model → `input`, `output`, `cacheRead`, `cacheWrite` |
| TOKEN_BUDGET_PER_ORG | 2000000 | model tokens an org may use per UTC day; 0 = none at all |
| REPLIES_PER_USER | 200 | replies that a user has asked for and that have not ended; 0 = no limit |
| SESSIONS_PER_USER | 10000 | sessions that a user may have, each with its conversation and image; 0 = no limit |
| TASKS_PER_USER | 10000 | tasks that a user may have; 0 = no limit |
| WORKERS_SHARED | (none) | workers with tokens of your own issuer that everybody may have answer, comma list; `*` = all of them |
| WORKER_WAIT_HOURS | 24 | hours that a message waits for a worker that is away; then its reply fails |
| PERMISSION_MINUTES | 10 | minutes in which a person decides what an agent may do; then it is denied |
| SCHEDULES_PER_USER | 100 | cron agents that a user may have, 1 to 100 |
| AGENTS_PER_USER | 1000 | agents that a user may register; 0 = no limit |
| SOCKETS_PER_USER | 200 | chat sockets that a user, or an agent, may have open; 0 = no limit |
| CONVERSATIONS_PER_AGENT | 10000 | conversations without a user that an agent may have; 0 = no limit |
| ANONYMOUS | on; off with AUTH_ISSUER | `off`: callers without a token reach only functions that say `anonymous=True` |
| CALLS_PER_SECOND | 200; 2000 without STAGE | calls of one caller in one process, five seconds' worth at once; 0 = no limit |
| SUBSCRIPTIONS_PER_CONNECTION | 1000 | live queries of one socket; further ones fail |
| WATCHES_PER_CONNECTION | 10000 | documents and ranges that one socket's queries may watch together; further queries fail |
| MAILBOX_LEASE | 30 | seconds one holder may serve a connection without renewing |
| LANE_LEASE | 60 | seconds one mutation may hold its connection's lane |
| RUN_LEASE | 60 | seconds a reply's writer may be silent before it counts as dead |
| JOB_LEASE | 60 | seconds a job's runner may be silent before the job runs again |
| IDENTITY_WAIT_MS | 5000; 150 without STAGE | so long calls wait for a new connection's token; 1000 at least with ANONYMOUS off |
| PING_SECONDS_RUST | 25 | how often a Rust-based client (Python, Swift, Kotlin) is pinged that hears nothing else; in seconds |
| PING_SECONDS | 50 | the same for the npm client |
| SWEEP_SHARE | 1000 | connections that one sweep looks at; each further share has an invocation of its own |
| MCP_HOSTS | (none); `*` without STAGE | hosts of MCP servers, comma list, `*.a.org`; no STAGE: also `http://127.0.0.1:<port>` |
| MCP_SECRET_<NAME> | (none) | a token of an MCP server, which `{"secret": "<NAME>"}` names; `HOST TOKEN` is for that host alone |
| MCP_REQUIRE_APPROVAL | `never` | `always`: tools of MCP servers are used only when whose session it is allows it |
| SYSTEM_MCP_SERVERS | (none) | tools of every conversation: JSON, name → `{"url", "authorization", "requireApproval"}` |
| MCP_COMMANDS | (none) | programs that a worker may start as MCP servers, comma list |
| PUSH_PUBLIC_KEY | (none; the local server makes a pair) | base64url of a P-256 point: what browsers subscribe with |
| PUSH_PRIVATE_KEY | (none) | base64url of its 32 secret bytes: signs push messages; only who sends them has it |
| PUSH_KEY_SECRET | (unset) | ARN of the secret in Secrets Manager with that key, read where a push message is signed |
| PUSH_SUBJECT | (none); an example without STAGE | whom push services may ask, `mailto:` or `https:`; without it none are sent |
| PUSH_HOSTS | Chrome's, Firefox's, Edge's, Safari's | push services, comma list; without STAGE also `http://127.0.0.1:<port>` |
| VECTORS | rows | where vectors are compared: in the store's own rows, or `s3:<bucket>`, Amazon S3 Vectors (STORE=dynamodb) |
| EMBEDDER | offline; given with STAGE | what turns texts into vectors (docs/search.md) |
| EMBEDDER_MODEL | (none) | the model that an endpoint is asked for |
| EMBEDDER_KEY | (none) | an endpoint's key, sent as `Authorization: Bearer` |
| EMBEDDER_KEY_SECRET | (unset) | ARN of the secret in Secrets Manager with that key |
| EMBEDDER_DIMENSIONS | 256 | numbers of a vector, 2 to 4,096; wordllama's have 256 |
| TRACES_URL | (none) | where the functions send traces: an OpenTelemetry collector's address for OTLP over HTTP, `…/v1/traces` |
| FAN_OUT_THREADS | 8 | slices of eight connections that one fan-out serves at once |

The template also sets FUNCTION_<ENTRY POINT> and QUEUE_<ENTRY POINT>, which `aws/invoke.py` reads.

The local server reads a few more: ACCESS_LOG, ALLOWED_HOSTS, ALLOWED_ORIGINS, DASHBOARD, DEV_TOKENS, GATEWAY_LIMITS, HOST, HOT,
MAX_CONNECTIONS, SCRIPTED_MODEL, SITE, STOP_SECONDS, SWEEP_SECONDS, TLS_CERTIFICATE, TLS_KEY, TRUSTED_PROXIES, VERBOSE,
WS_COMPRESSION; the page's and the command's, CONCAVE_URL, CONCAVE_ADMIN_KEY.

A wrong value raises `BadSetting`, which names the variable, the value and what would be right; so does a variable whose name is
nearly one of these, or that begins with CONCAVE_ and is none (`misspelt.py`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chalicelib.environment import (
    PUSH_SERVICES,
    PUSH_SUBJECT,
    AuthProvider,
    BadSetting,
    LiveKind,
    StoreKind,
    SyncKind,
    approval_of,
    auth_of,
    contact_of,
    embedder_of,
    hex_of,
    key_of,
    live_of,
    mcp_hosts_of,
    mount_of,
    number_of,
    org_of,
    packages_of,
    pem_of,
    prefix_of,
    prices_of,
    push_hosts_of,
    servers_of,
    store_of,
    switch_of,
    sync_of,
    text_of,
    url_of,
    vectors_of,
    word_of,
    words_of,
)
from chalicelib.misspelt import misspelt, names_in

VERSION = "0.1.0"
"""The release, as `GET /version` says it; `pyproject.toml` carries the same (checked by a test)."""

MCP_SECRET = "MCP_SECRET_"
"""How the variables begin that hold tokens of MCP servers."""


@dataclass(frozen=True)
class Settings:
    """The table above, typed. Build it with `from_env`; tests may build it directly. Times say their unit."""

    store: StoreKind = "sqlite"
    live: LiveKind = "owner"
    sqlite_sync: SyncKind = "normal"
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
    operator_key: str | None = field(default=None, repr=False)
    operator_public_keys: tuple[str, ...] = ()
    origin_secret: str | None = field(default=None, repr=False)
    model_url: str | None = None
    auth: tuple[AuthProvider, ...] = ()
    org_claim: str = "org"
    org_default: str | None = None
    signing_key: str | None = field(default=None, repr=False)
    signing_key_secret: str | None = None
    signing_public_key: str | None = None
    chunk_flush_ms: int = 60
    generation_timeout_s: int = 840
    model_failures: int = 5
    model_prices: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    token_budget_per_org: int = 2_000_000
    replies_per_user: int = 200
    sessions_per_user: int = 10_000
    tasks_per_user: int = 10_000
    schedules_per_user: int = 100
    workers_shared: tuple[str, ...] = ()
    worker_wait_hours: int = 24
    permission_minutes: int = 10
    agents_per_user: int = 1000
    sockets_per_user: int = 200
    conversations_per_agent: int = 10_000
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
    sweep_share: int = 1000
    fan_out_threads: int = 8
    traces_url: str | None = None
    vectors: str = "rows"
    embedder: str = "offline"
    embedder_model: str = ""
    embedder_key: str | None = field(default=None, repr=False)
    embedder_key_secret: str | None = None
    embedder_dimensions: int = 256
    mcp_hosts: tuple[str, ...] = ("*",)
    mcp_commands: tuple[str, ...] = ()
    mcp_require_approval: str = "never"
    mcp_system: Mapping[str, Any] = field(default_factory=dict)
    mcp_secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    push_public_key: str | None = None
    push_private_key: str | None = field(default=None, repr=False)
    push_key_secret: str | None = None
    push_subject: str | None = PUSH_SUBJECT
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
        stage = word_of(env, "STAGE")
        return cls(
            store=store_of(env, stage),
            live=live_of(env),
            sqlite_sync=sync_of(env, "SQLITE_SYNC"),
            dynamodb_endpoint=url_of(env, "DYNAMODB_ENDPOINT_URL"),
            prefix=prefix_of(env, stage),
            data_dir=Path(text_of(env, "DATA_DIR") or ".concave"),
            port=number_of(env, "PORT", 3210, 0, 65535),
            stage=stage,
            ws_endpoint=url_of(env, "WS_ENDPOINT"),
            apps=packages_of(env, "CONCAVE_APPS"),
            chat_mount=mount_of(env, "CHAT_MOUNT"),
            anthropic_key=text_of(env, "ANTHROPIC_API_KEY"),
            anthropic_key_secret=text_of(env, "ANTHROPIC_API_KEY_SECRET"),
            operator_key=next(iter(hex_of(env, "OPERATOR_KEY")), None),
            operator_public_keys=hex_of(env, "OPERATOR_PUBLIC_KEY"),
            origin_secret=text_of(env, "ORIGIN_SECRET"),
            model_url=url_of(env, "MODEL_URL"),
            auth=auth_of(env),
            org_claim=text_of(env, "AUTH_ORG_CLAIM") or "org",
            org_default=org_of(env, "AUTH_ORG_DEFAULT"),
            signing_key=pem_of(env, "SIGNING_KEY"),
            signing_key_secret=text_of(env, "SIGNING_KEY_SECRET"),
            signing_public_key=key_of(env, "SIGNING_PUBLIC_KEY", 65),
            chunk_flush_ms=number_of(env, "CHUNK_FLUSH_MS", 60 if stage is None else 250, 1, 10_000),
            generation_timeout_s=number_of(env, "GENERATION_TIMEOUT_S", 840, 1, 840),
            model_failures=number_of(env, "MODEL_FAILURES", 5, 0, 1000),
            model_prices=prices_of(env, "MODEL_PRICES"),
            token_budget_per_org=number_of(env, "TOKEN_BUDGET_PER_ORG", 2_000_000, 0, 10**12),
            replies_per_user=number_of(env, "REPLIES_PER_USER", 200, 0, 100_000),
            sessions_per_user=number_of(env, "SESSIONS_PER_USER", 10_000, 0, 10_000_000),
            tasks_per_user=number_of(env, "TASKS_PER_USER", 10_000, 0, 10_000_000),
            workers_shared=words_of(env, "WORKERS_SHARED", ()),
            worker_wait_hours=number_of(env, "WORKER_WAIT_HOURS", 24, 1, 8760),
            permission_minutes=number_of(env, "PERMISSION_MINUTES", 10, 1, 1440),
            schedules_per_user=number_of(env, "SCHEDULES_PER_USER", 100, 1, 100),
            agents_per_user=number_of(env, "AGENTS_PER_USER", 1000, 0, 10_000_000),
            sockets_per_user=number_of(env, "SOCKETS_PER_USER", 200, 0, 100_000),
            conversations_per_agent=number_of(env, "CONVERSATIONS_PER_AGENT", 10_000, 0, 10_000_000),
            anonymous=switch_of(env, "ANONYMOUS", not auth_of(env)),
            calls_per_second=number_of(env, "CALLS_PER_SECOND", 2000 if stage is None else 200, 0, 1_000_000),
            subscriptions_per_connection=number_of(env, "SUBSCRIPTIONS_PER_CONNECTION", 1000, 1, 100_000),
            watches_per_connection=number_of(env, "WATCHES_PER_CONNECTION", 10_000, 1, 1_000_000),
            mailbox_lease_s=number_of(env, "MAILBOX_LEASE", 30, 1, 900),
            lane_lease_s=number_of(env, "LANE_LEASE", 60, 1, 900),
            run_lease_s=number_of(env, "RUN_LEASE", 60, 1, 900),
            job_lease_s=number_of(env, "JOB_LEASE", 60, 1, 900),
            identity_wait_ms=number_of(env, "IDENTITY_WAIT_MS", 150 if stage is None else 5000, 0, 10_000),
            ping_rust_s=number_of(env, "PING_SECONDS_RUST", 25, 1, 600),
            ping_s=number_of(env, "PING_SECONDS", 50, 1, 600),
            sweep_share=number_of(env, "SWEEP_SHARE", 1000, 1, 10_000),
            traces_url=url_of(env, "TRACES_URL"),
            fan_out_threads=number_of(env, "FAN_OUT_THREADS", 8, 1, 32),
            vectors=vectors_of(env, "VECTORS", store_of(env, stage)),
            embedder=embedder_of(env, "EMBEDDER", stage),
            embedder_model=text_of(env, "EMBEDDER_MODEL") or "",
            embedder_key=text_of(env, "EMBEDDER_KEY"),
            embedder_key_secret=text_of(env, "EMBEDDER_KEY_SECRET"),
            embedder_dimensions=number_of(env, "EMBEDDER_DIMENSIONS", 256, 2, 4096),
            mcp_hosts=mcp_hosts_of(env, "MCP_HOSTS", stage),
            mcp_require_approval=approval_of(env, "MCP_REQUIRE_APPROVAL"),
            mcp_commands=words_of(env, "MCP_COMMANDS", ()),
            mcp_system=servers_of(env, "SYSTEM_MCP_SERVERS"),
            push_public_key=key_of(env, "PUSH_PUBLIC_KEY", 65),
            push_private_key=key_of(env, "PUSH_PRIVATE_KEY", 32),
            push_key_secret=text_of(env, "PUSH_KEY_SECRET"),
            push_subject=contact_of(env, "PUSH_SUBJECT", stage),
            push_hosts=push_hosts_of(env, "PUSH_HOSTS", stage),
            mcp_secrets={name[len(MCP_SECRET) :]: value for name, value in env.items() if name.startswith(MCP_SECRET)},
        )


def _all_known(env: Mapping[str, str]) -> None:
    """Whether no variable was meant as a setting and is none."""
    ours = {name: value for name, value in env.items() if not name.startswith((MCP_SECRET, "FUNCTION_", "QUEUE_"))}
    found = misspelt(ours, names_in(__doc__ or ""))
    if found is not None:
        name, meant = found
        raise BadSetting(name, "…", f"there is no such setting; did you mean {meant}?" if meant else "there is no such setting")
