"""What each function may do: exactly what its code path asks of AWS, table by table.

`tests/infra/test_permissions.py` runs everything through the packaged handlers under these policies and compares: a call
that is not granted fails there, and so does a grant that nothing uses. The declared tables are one group: which of them a
function of the app touches is the app's affair, so all of them share the group's verbs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from infra.template.parts import API_STAGE, Deployment, Function, Resource, Resources, att, either, ref, sub
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
class Grant:
    """What one entry point may do.

    Args:
        tables: letters of `VERBS` by table; `DOCUMENTS` stands for all declared ones.
        invokes: entry points that it starts at once.
        later: entry points that it starts through their delay queue.
        posts: whether it posts to sockets and closes them.
        closes: whether it closes sockets without ever posting.
        secret: whether it reads the model's key.
    """

    tables: dict[str, str] = field(default_factory=dict)
    invokes: tuple[str, ...] = ()
    later: tuple[str, ...] = ()
    posts: bool = False
    closes: bool = False
    secret: bool = False


_COMMIT = {DOCUMENTS: "gbqpudc", "fences": "gbquc", "claims": "gpdc", "commits": "gp"}
_HOLD = {"mailboxes": "gud", "inbox": "gqpud", "subscriptions": "qpud", "watches": "qpd"}

GRANTS: dict[str, Grant] = {
    "api": Grant(_COMMIT, invokes=("generate", "run_job"), later=("run_job",)),
    "ws_connect": Grant({"mailboxes": "p"}),
    "ws_message": Grant({**_COMMIT, **_HOLD}, invokes=("generate", "run_job"), later=("serve", "run_job"), posts=True),
    "ws_disconnect": Grant(_HOLD, closes=True),
    "welcome": Grant({**_COMMIT, **_HOLD}, later=("serve",), posts=True),
    "on_change": Grant({**_COMMIT, **_HOLD}, invokes=("generate", "run_job"), later=("serve", "run_job"), posts=True),
    "serve": Grant({**_COMMIT, **_HOLD}, invokes=("generate", "run_job"), later=("serve", "run_job"), posts=True),
    "act": Grant({**_COMMIT, **_HOLD}, invokes=("generate", "run_job"), later=("serve", "run_job"), posts=True),
    "run_job": Grant(_COMMIT, invokes=("generate", "run_job"), later=("run_job",)),
    "generate": Grant({**_COMMIT, **_HOLD}, invokes=("generate", "run_job"), later=("serve", "run_job"), posts=True, secret=True),
    "tick": Grant(invokes=("sweep",), later=("sweep",)),
    "sweep": Grant({**_COMMIT, **_HOLD}, invokes=("generate", "run_job"), later=("serve", "run_job"), posts=True),
}
"""By entry point. A handler of `app.py` without a line here cannot be packaged."""

STREAM_READS = ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams")
QUEUE_READS = ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")


def policies(deployment: Deployment) -> Resources:
    """The patch of every function's role.

    Raises:
        ValueError: a function has no line in `GRANTS`.
    """
    missing = sorted(set(deployment.functions) - set(GRANTS))
    if missing:
        raise ValueError(f"infra/template/policies.py says nothing of the entry points {', '.join(missing)}")
    return {
        function.role: {"Properties": {"Policies": [_policy(deployment, function)]}} for function in deployment.functions.values()
    }


def _policy(deployment: Deployment, function: Function) -> Resource:
    grant = GRANTS[function.entry]
    statements = [_logs(deployment, function), *_tables(deployment, grant), *_starts(deployment, grant)]
    statements += [*_service(deployment, function), *_sockets(grant)]
    if grant.secret:
        statements.append(either("HasModelKey", _allow("ModelKey", ["secretsmanager:GetSecretValue"], ref("AnthropicKeySecret"))))
    return {"PolicyName": "own", "PolicyDocument": {"Version": "2012-10-17", "Statement": statements}}


def _allow(sid: str, actions: list[str], resources: Any) -> Resource:
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}


def _logs(deployment: Deployment, function: Function) -> Resource:
    group = f"log-group:/aws/lambda/{deployment.name(function.entry)}:*"
    where = sub("arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:" + group)
    return _allow("Logs", ["logs:CreateLogStream", "logs:PutLogEvents"], where)


def _tables(deployment: Deployment, grant: Grant) -> list[Resource]:
    """One statement per set of verbs; an index is asked by Query only."""
    system = [spec for spec in deployment.specs if spec.name in grant.tables]
    declared = [spec for spec in deployment.specs if spec.name not in SYSTEM] if DOCUMENTS in grant.tables else []
    by_verbs: dict[str, list[Any]] = {}
    for spec in [*system, *declared]:
        letters = grant.tables[spec.name] if spec in system else grant.tables[DOCUMENTS]
        where = by_verbs.setdefault(letters, [])
        where.append(att(table_id(spec.name), "Arn"))
        if spec.indexes and "q" in letters:
            where.append(sub("${" + table_id(spec.name) + ".Arn}/index/*"))
    return [
        _allow(f"Tables{number}", [VERBS[letter] for letter in letters], where)
        for number, (letters, where) in enumerate(sorted(by_verbs.items()))
    ]


SYSTEM = frozenset({"fences", "commits", "claims", "mailboxes", "subscriptions", "inbox", "watches"})


def _starts(deployment: Deployment, grant: Grant) -> list[Resource]:
    """Other functions, at once and later. By name: functions that start each other cannot refer to each other."""
    made = []
    if grant.invokes:
        start = "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:"
        made.append(_allow("Start", ["lambda:InvokeFunction"], [sub(start + deployment.name(each)) for each in grant.invokes]))
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


def _sockets(grant: Grant) -> list[Resource]:
    verbs = (["POST"] if grant.posts else []) + (["DELETE"] if grant.posts or grant.closes else [])
    if not verbs:
        return []
    where = "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${WebsocketAPI}/" + API_STAGE
    return [_allow("Sockets", ["execute-api:ManageConnections"], [sub(f"{where}/{verb}/@connections/*") for verb in verbs])]
