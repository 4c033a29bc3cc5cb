"""What each function may do: exactly what its code path asks of AWS, table by table.

A function has the capabilities of the code that it runs, so that what is shared in the code is written once here.
`tests/infra/test_cloud.py` runs everything through the packaged handlers under these policies and compares: a call that is
not granted fails there, and so does a grant that nothing uses. The declared tables are one group: which of them a function
of the app touches is the app's affair, so all of them share the group's verbs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from infra.template.parts import ALIAS, API_STAGE, Deployment, Function, Resource, Resources, att, either, ref, sub
from infra.template.queues import FAILURES, LATER, queue_id
from infra.template.tables import table_id

DOCUMENTS = "documents"
"""All declared tables."""

VERBS = {
    "g": "dynamodb:GetItem",
    "b": "dynamodb:BatchGetItem",
    "q": "dynamodb:Query",
    "p": "dynamodb:PutItem",
    "u": "dynamodb:UpdateItem",
    "d": "dynamodb:DeleteItem",
    "c": "dynamodb:ConditionCheckItem",
}
"""Letters of `Grant.tables`. A transaction needs the permission of each of its actions (TransactGetItems: GetItem)."""


@dataclass(frozen=True)
class Capability:
    """What one way through the code asks of AWS.

    Args:
        tables: letters of `VERBS` by table; `DOCUMENTS` stands for all declared ones.
        invokes: entry points that it starts at once.
        later: entry points that it starts through their delay queue.
        sockets: `GET` to look whether one is there, `POST` to write to it, `DELETE` to close it.
        secrets: kept keys that it reads, by their names in `SECRETS`.
    """

    tables: dict[str, str] = field(default_factory=dict)
    invokes: tuple[str, ...] = ()
    later: tuple[str, ...] = ()
    sockets: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()


SECRETS = {
    "model": ("HasModelKey", "AnthropicKeySecret"),
    "signing": ("HasSigningKey", "SigningKeySecret"),
    "push": ("HasPushKey", "PushKeySecret"),
}
"""Keys in Secrets Manager that a function reads when it needs them: the condition and the parameter that names each."""

READ = Capability({DOCUMENTS: "gbq", "fences": "gq", "claims": "g"})
"""Run a query."""
COMMIT = Capability({DOCUMENTS: "pudc", "fences": "puc", "claims": "pdc", "commits": "gp"})
"""Commit a mutation."""
START = Capability(invokes=("generate", "run_job"), later=("generate", "run_job"))
"""Start the jobs of a commit."""
SERVE = Capability(
    {"mailboxes": "gpudc", "inbox": "gqpud", "subscriptions": "qpud", "watches": "pd", "commits": "g"},
    later=("serve",),
    sockets=("POST", "DELETE"),
)
"""Hold a mailbox and its lane, which is made when a call must wait: take frames, evaluate, post, settle, hand over."""
FAN_OUT = Capability({"watches": "qd", "mailboxes": "b"})
"""Find who watches, and whom a writer keeps."""
POLL = Capability({"inbox": "gpu"})
"""Open a Socket.IO session by polls, and keep what it says until its socket is there."""
OPEN = Capability({"mailboxes": "p", "inbox": "gp"}, invokes=("welcome",))
"""Open a connection, perhaps of a session that polls opened; what may speak first is a function of its own."""
GREET = Capability(sockets=("GET",))
"""Wait until a handshake is over."""
TAKE_IN = Capability({"inbox": "p"}, invokes=("act",))
"""Store a frame; an action is run by a function of its own."""
END = Capability({"mailboxes": "gud", "inbox": "qd", "subscriptions": "qd", "watches": "d"}, sockets=("DELETE",))
"""Remove a connection; who was online with it is told by a commit."""
ACT = Capability({"inbox": "gpu"})
"""Run an action whose frame waits in the inbox."""
LOOK = Capability({DOCUMENTS: "bq", "mailboxes": "bq"})
"""Look over everything, through indexes."""
ASK = Capability(secrets=("model",))
"""Ask the model."""
SIGN = Capability(secrets=("signing",))
"""Sign agents' tokens; who only verifies them has the public half."""
PUSH = Capability(secrets=("push",))
"""Sign push messages."""
SWEEP = Capability(invokes=("sweep",), later=("sweep",))
"""Have it swept."""

SHARE = Capability(invokes=("sweep",))
"""Have a part of a look done by others."""

CALL = (READ, COMMIT, START)
HOLD = (*CALL, SERVE)
"""Whoever may hold a mailbox may find anything in it: queries, and mutations with their jobs."""

ROLES: dict[str, tuple[Capability, ...]] = {
    "api": (*CALL, POLL, SIGN),
    "ws_connect": (OPEN,),
    "ws_message": (TAKE_IN, *HOLD),
    "ws_disconnect": (END, *CALL),
    "welcome": (GREET, *HOLD),
    "on_change": (FAN_OUT, *HOLD),
    "serve": HOLD,
    "act": (ACT, SIGN, *HOLD),
    "run_job": (*CALL, PUSH),
    "generate": (ASK, FAN_OUT, *HOLD),
    "tick": (SWEEP,),
    "sweep": (LOOK, SHARE, *HOLD),
}
"""By entry point. A handler of `app.py` without a line here cannot be packaged."""


def merged(capabilities: Iterable[Capability]) -> Capability:
    """Several capabilities as one; every list in a fixed order."""
    tables: dict[str, set[str]] = {}
    whole = list(capabilities)
    for each in whole:
        for table, letters in each.tables.items():
            tables.setdefault(table, set()).update(letters)
    return Capability(
        {table: "".join(letter for letter in VERBS if letter in letters) for table, letters in sorted(tables.items())},
        tuple(sorted({entry for each in whole for entry in each.invokes})),
        tuple(sorted({entry for each in whole for entry in each.later})),
        tuple(verb for verb in ("GET", "POST", "DELETE") if any(verb in each.sockets for each in whole)),
        tuple(name for name in SECRETS if any(name in each.secrets for each in whole)),
    )


STREAM_READS = ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams")
QUEUE_READS = ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")


def policies(deployment: Deployment) -> Resources:
    """The patch of every function's role.

    Raises:
        ValueError: a function has no line in `ROLES`.
    """
    missing = sorted(set(deployment.functions) - set(ROLES))
    if missing:
        raise ValueError(f"infra/template/policies.py says nothing of the entry points {', '.join(missing)}")
    return {
        function.role: {"Properties": {"Policies": [_policy(deployment, function)]}} for function in deployment.functions.values()
    }


def _policy(deployment: Deployment, function: Function) -> Resource:
    grant = merged(ROLES[function.entry])
    statements = [_logs(deployment, function), *_tables(deployment, grant), *_starts(deployment, grant)]
    statements += [*_service(deployment, function), *_sockets(grant.sockets)]
    for name in grant.secrets:
        condition, parameter = SECRETS[name]
        statement = _allow(f"{name.capitalize()}Key", ["secretsmanager:GetSecretValue"], ref(parameter))
        statements.append(either(condition, statement))
    return {"PolicyName": "own", "PolicyDocument": {"Version": "2012-10-17", "Statement": statements}}


def _allow(sid: str, actions: list[str], resources: Any) -> Resource:
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}


def _logs(deployment: Deployment, function: Function) -> Resource:
    group = f"log-group:/aws/lambda/{deployment.name(function.entry)}:*"
    where = sub("arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:" + group)
    return _allow("Logs", ["logs:CreateLogStream", "logs:PutLogEvents"], where)


def _tables(deployment: Deployment, grant: Capability) -> list[Resource]:
    """One statement per set of verbs; an index is asked by Query only.

    The indexes of declared tables are named together, by the stage's prefix: a role holds 10,240 characters of policies, and
    with a line for each they do not fit.
    """
    system = [spec for spec in deployment.specs if spec.name in grant.tables]
    declared = [spec for spec in deployment.specs if spec.name not in SYSTEM] if DOCUMENTS in grant.tables else []
    by_verbs: dict[str, list[Any]] = {}
    for spec in [*system, *declared]:
        letters = grant.tables[spec.name] if spec in system else grant.tables[DOCUMENTS]
        where = by_verbs.setdefault(letters, [])
        where.append(att(table_id(spec.name), "Arn"))
        if spec.indexes and "q" in letters and spec in system:
            where.append(sub("${" + table_id(spec.name) + ".Arn}/index/*"))
    made = [
        _allow(f"Tables{number}", [VERBS[letter] for letter in letters], where)
        for number, (letters, where) in enumerate(sorted(by_verbs.items()))
    ]
    if "q" in grant.tables.get(DOCUMENTS, "") and any(spec.indexes for spec in declared):
        tables = "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/" + deployment.name("*/index/*")
        made.append(_allow("Indexes", [VERBS["q"]], [sub(tables)]))
    return made


SYSTEM = frozenset({"fences", "commits", "claims", "mailboxes", "subscriptions", "inbox", "watches"})


def _starts(deployment: Deployment, grant: Capability) -> list[Resource]:
    """Other functions, at once and later. By name: functions that start each other cannot refer to each other."""
    made = []
    if grant.invokes:
        start = "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:"
        made.append(
            _allow("Start", ["lambda:InvokeFunction"], [sub(f"{start}{deployment.name(each)}:{ALIAS}") for each in grant.invokes])
        )
    if grant.later:
        made.append(_allow("StartLater", ["sqs:SendMessage"], [att(queue_id(each), "Arn") for each in grant.later]))
    return made


def _service(deployment: Deployment, function: Function) -> list[Resource]:
    """What Lambda itself does in the function's name: read its stream or queue, put aside what failed."""
    made = []
    if function.entry == "on_change":
        streams = [att(table_id(spec.name), "StreamArn") for spec in deployment.specs if spec.stream]
        made.append(_allow("Stream", [f"dynamodb:{verb}" for verb in STREAM_READS], streams))
    if function.entry in LATER:
        made.append(_allow("Queue", [f"sqs:{verb}" for verb in QUEUE_READS], att(queue_id(function.entry), "Arn")))
    if function.entry in ASIDE:
        made.append(_allow("Failures", ["sqs:SendMessage"], att(FAILURES, "Arn")))
    return made


ASIDE = ("on_change", "welcome", "serve", "act", "run_job", "generate")
"""Functions whose failed events are put aside: a stream's, and those that are invoked without anybody waiting."""


def _sockets(verbs: tuple[str, ...]) -> list[Resource]:
    if not verbs:
        return []
    where = "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${WebsocketAPI}/" + API_STAGE
    return [_allow("Sockets", ["execute-api:ManageConnections"], [sub(f"{where}/{verb}/@connections/*") for verb in verbs])]
