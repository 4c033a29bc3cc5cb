"""The packaged backend, run as the template says: the walk of a message, real event shapes, and every permission."""

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from websockets.sync.client import connect

from chalicelib.live.queries import HOT
from infra.local.push_keys import encoded
from infra.template import policies
from infra.template.policies import CALL, DOCUMENTS, HOLD, ROLES, VERBS, Capability
from infra.template.queues import LATER
from tests.infra import aws_events
from tests.infra.cloud import EDGE_SECRET, PUSH_HOST, Cloud
from tests.infra.permissions import Asked
from tests.infra.person import Person, registers_agents
from tests.infra.test_bundle import here_is_lambda
from tests.support.engine import Engine, require_engine
from tests.support.official import CLIENTS
from tests.support.official import Client as Official

pytestmark = [here_is_lambda, pytest.mark.timeout(240)]
BY_THE_SERVICE = {"Logs", "Stream", "Queue", "Failures"}
"""Statements about what Lambda does in a function's name; no code of ours asks for it."""

SWEEP = {"PING_SECONDS": "1", "PING_SECONDS_RUST": "1", "SWEEP_SHARE": "1"}


@pytest.fixture(scope="module")
def cloud(packaged: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """The packaged backend on the DynamoDB engine. Sweeps find every connection quiet at once."""
    require_engine()
    engine = Engine()
    made = Cloud(
        packaged,
        tmp_path_factory.mktemp("cloud"),
        engine.url,
        {"sweep": SWEEP},
    )
    yield made
    made.stop()
    engine.stop()


def _npm(cloud: Cloud, scenario: str, *more: str) -> Any:
    if not (CLIENTS / "node_modules" / "convex").exists():
        pytest.skip("the npm client comes with `npm ci` in tests/clients, which needs Node")
    return Official("node", "walk.mjs", cloud.url, scenario, *more).found(100)


def _until(holds: Callable[[], bool], what: str, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.1)


# The walk ----------------------------------------------------------------------------------------------------------------


def test_a_reply_streams_through_the_packaged_functions_to_two_tabs_of_the_official_client(cloud: Cloud) -> None:
    told = _npm(cloud, "reply")
    assert (told["status"], told["same"], told["stranger"]) == ("completed", True, [])
    assert told["length"] > 200
    assert cloud.aws.refused == []
    assert [request.headers.get("authorization") or request.headers.get("x-api-key") for request in cloud.model.requests[:1]] != [
        None
    ]


def test_the_official_client_counts_through_the_packaged_functions(cloud: Cloud) -> None:
    assert _npm(cloud, "counter") == {"read": 20, "last": 20, "rising": True}
    assert cloud.aws.refused == []


def test_who_goes_around_the_edge_is_refused(cloud: Cloud) -> None:
    cloud.lambdas.through_the_edge = False
    try:
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{cloud.url}/version", timeout=30)
        with refused.value as answer:
            assert (answer.code, json.load(answer)["code"]) == (403, "WrongAddress")
        opened = cloud.lambdas.call("ws_connect", aws_events.socket_opens("stranger=", "/api/sync"))
        assert opened["statusCode"] == 403
    finally:
        cloud.lambdas.through_the_edge = True


# Events as AWS sends them ----------------------------------------------------------------------------------------------------


def _call(cloud: Cloud, entry: str, event: Any) -> Any:
    return cloud.lambdas.call(entry, event)


def test_the_http_function_answers_a_rest_event(cloud: Cloud) -> None:
    answer = _call(cloud, "api", aws_events.rest("GET", "/version"))
    assert (answer["statusCode"], answer["headers"]["content-type"]) == (200, "text/plain; charset=utf-8")
    asked = {"path": "counter:get", "args": {"name": "nobody"}}
    answer = _call(cloud, "api", aws_events.rest("POST", "/api/query", asked))
    assert json.loads(answer["body"])["value"] == 0
    answer = _call(cloud, "api", aws_events.rest("POST", "/api/query", asked, binary=True))
    assert json.loads(answer["body"])["value"] == 0


def test_the_socket_functions_answer_the_events_of_a_socket(cloud: Cloud) -> None:
    opened = _call(
        cloud, "ws_connect", aws_events.socket_opens("L0SM9cOFvHcCIhw=", "/api/1.48.0/sync", **{"Convex-Client": "npm-1.48.0"})
    )
    assert opened["statusCode"] == 200
    hello = {
        "type": "Connect",
        "sessionId": "6f1a8d2e-0000-4000-8000-000000000001",
        "connectionCount": 0,
        "lastCloseReason": "InitialConnect",
    }
    assert _call(cloud, "ws_message", aws_events.socket_says("L0SM9cOFvHcCIhw=", hello)) == {"statusCode": 200}
    assert _call(cloud, "ws_disconnect", aws_events.socket_closes("L0SM9cOFvHcCIhw=")) == {"statusCode": 200}
    assert _call(cloud, "ws_connect", aws_events.socket_opens("other=", "/nowhere"))["statusCode"] == 404


def test_the_other_functions_answer_direct_queued_scheduled_and_streamed_events(cloud: Cloud) -> None:
    gone = {"connectionId": "gone="}
    assert _call(cloud, "welcome", gone) is None
    assert _call(cloud, "serve", gone) is None
    assert _call(cloud, "serve", aws_events.queued("concave-dev-serve", gone)) is None
    assert _call(cloud, "act", {"connectionId": "gone=", "requestId": 1}) is None
    job = {"jobId": "job-none", "org": "acme"}
    for entry in ("run_job", "generate"):
        assert _call(cloud, entry, job) is None
        assert _call(cloud, entry, aws_events.queued(f"concave-dev-{entry}", job)) == {"batchItemFailures": []}
    assert _call(cloud, "tick", aws_events.minute()) is None
    assert _call(cloud, "sweep", {}) is None
    assert _call(cloud, "sweep", aws_events.queued("concave-dev-sweep", {})) is None
    image = {"pk": {"S": "acme|chatChunks|nothing"}, "sk": {"S": "0"}}
    assert _call(cloud, "on_change", aws_events.streamed("concave-dev-chatChunks", image)) == {"batchItemFailures": []}
    broken = aws_events.streamed("concave-dev-commits", {"pk": {"S": "a row that no commit writes"}})
    (failed,) = _call(cloud, "on_change", broken)["batchItemFailures"]
    assert failed == {"itemIdentifier": broken["Records"][0]["dynamodb"]["SequenceNumber"]}


# Permissions -----------------------------------------------------------------------------------------------------------------


def _http(cloud: Cloud, kind: str, path: str, **args: Any) -> Any:
    body = json.dumps({"path": path, "args": args}).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {cloud.issuer.token('alice', 'acme')}"}
    with urllib.request.urlopen(urllib.request.Request(f"{cloud.url}/api/{kind}", body, headers), timeout=60) as response:
        answer = json.load(response)
    assert answer["status"] == "success", answer
    return answer["value"]


def _tour(cloud: Cloud) -> None:
    """Everything that a deployment does, through every function."""
    _npm(cloud, "reply", "8\n/pace 2\n")  # so slow that its writer looks after its viewers between two pieces
    alice, bob = (Person(cloud.url, cloud.issuer.token(name, "acme")) for name in ("alice", "bob"))
    for client in (alice, bob):
        client.subscribe("permitted:codes", {"owner": "ann"})
        client.subscribe("permitted:ownerOf", {"code": "c1"})
    alice.mutation("permitted:add", {"owner": "ann", "code": "c1"})
    alice.mutation("permitted:give", {"code": "c1", "owner": "ben"})
    bob.mutation("permitted:remove", {"code": "c1"})
    assert _http(cloud, "action", "permitted:work", owner="ann", code="c2") == ["c2"]
    assert bob.action("permitted:work", {"owner": "ann", "code": "c3"}) == ["c2", "c3"]
    registers_agents(cloud.url, bob)
    for number, (by, delay) in enumerate([(alice.mutation, 0), (alice.mutation, 1500)]):
        by("permitted:addLater", {"owner": "late", "code": f"j{number}", "delayMs": delay})
        by("permitted:workLater", {"owner": "late", "code": f"w{number}", "delayMs": delay})
    _http(cloud, "mutation", "permitted:addLater", owner="late", code="h", delayMs=1200)
    _until(lambda: len(_http(cloud, "query", "permitted:codes", owner="late")) == 5, "five jobs")
    for number in range(HOT + 1):  # one more than a mailbox keeps the digests of
        alice.subscribe("permitted:codes", {"owner": f"owner {number}"})
    for number in range(HOT + 1):
        alice.mutation("permitted:add", {"owner": f"owner {number}", "code": f"many {number}"})
    _chat(cloud)
    _polls(cloud)
    _strangers(cloud)
    _pushes(cloud, alice)
    alice.mutation("permitted:addLater", {"owner": "soon", "code": "s", "delayMs": 30_000})
    time.sleep(1.2)  # so long a connection must be quiet before a sweep pings it
    cloud.lambdas.call("sweep", {})
    cloud.lambdas.call("tick", aws_events.minute())
    bob.close()
    alice.mutation("permitted:add", {"owner": "ann", "code": "c9"})
    alice.close()
    cloud.lambdas.call("serve", {"connectionId": "gone="})
    _until(lambda: len([who for who, _, _ in cloud.aws.posted if who == "on_change"]) > 0, "a post of the fan-out")


def _pushes(cloud: Cloud, by: Person) -> None:
    """A push message is signed by the job that sends it."""
    public, _ = encoded(ec.generate_private_key(ec.SECP256R1()))
    keys = {"p256dh": public, "auth": "A" * 22}
    by.mutation("push:subscribe", {"subscription": {"endpoint": f"https://{PUSH_HOST}/browser", "keys": keys}})
    by.mutation("push:test", {})
    _until(lambda: any("push-key" in each.resource for each in cloud.aws.asked("run_job")), "a signed push message")


def _chat(cloud: Cloud) -> None:
    """A socket of chat events: the server speaks first, an event is answered, the goodbye is told."""
    url = f"{cloud.url.replace('http', 'ws')}/chat?token={cloud.issuer.token('carol', 'acme')}"
    with connect(url) as socket:
        socket.send(json.dumps({"event": "conversation:online", "data": {"conversationId": "none"}, "id": 1}))
        while json.loads(socket.recv(timeout=30)).get("id") != 1:
            pass
        _until(lambda: any("/GET/" in each.resource for each in cloud.aws.asked("welcome")), "a welcome")
    _until(lambda: bool(cloud.aws.asked("ws_disconnect")), "a goodbye")


def _polls(cloud: Cloud) -> None:
    """Socket.IO's default way: polls open a session and leave a packet, which is taken in when the socket takes over."""
    address = f"{cloud.url}/socket.io/?EIO=4"
    polls = f"{address}&transport=polling"
    with urllib.request.urlopen(polls, timeout=60) as opened:
        sid = json.loads(opened.read()[1:])["sid"]
    hello = f"40/chat,{json.dumps({'token': cloud.issuer.token('erin', 'acme')})}".encode()
    with urllib.request.urlopen(urllib.request.Request(f"{polls}&sid={sid}", hello), timeout=60) as taken:
        assert taken.read() == b"ok"
    with connect(f"{address.replace('http', 'ws', 1)}&transport=websocket&sid={sid}") as socket:
        socket.send("2probe")
        assert socket.recv(timeout=30) == "3probe"
        with urllib.request.urlopen(f"{polls}&sid={sid}", timeout=60) as over:
            assert over.read() == b"6"
        socket.send("5")
        while not str(socket.recv(timeout=30)).startswith("40/chat,"):
            pass


def _strangers(cloud: Cloud) -> None:
    """Sockets that break off: one waits for its identity, one is gone before it was welcomed."""
    for message in (
        {
            "type": "Connect",
            "sessionId": "6f1a8d2e-0000-4000-8000-000000000002",
            "connectionCount": 0,
            "lastCloseReason": "InitialConnect",
        },
        {"type": "ModifyQuerySet", "baseVersion": 0, "newVersion": 1, "modifications": []},
    ):
        if message["type"] == "Connect":
            cloud.lambdas.call("ws_connect", aws_events.socket_opens("silent=", "/api/sync"))
        cloud.lambdas.call("ws_message", aws_events.socket_says("silent=", message))
    _until(lambda: any(each.resource.endswith(":concave-dev-serve") for each in cloud.aws.asked()), "a wait for an identity")
    token = {"Authorization": f"Bearer {cloud.issuer.token('dave', 'acme')}"}
    cloud.lambdas.call("ws_connect", aws_events.socket_opens("hasty=", "/chat", **token))
    cloud.lambdas.call("ws_disconnect", aws_events.socket_closes("hasty="))


def test_everything_that_a_function_asks_is_granted_and_everything_that_is_granted_is_asked(cloud: Cloud) -> None:
    try:
        _tour(cloud)
    finally:
        assert cloud.aws.refused == []  # first: what is refused is why the rest did not happen
    assert cloud.lambdas.called == set(cloud.functions)
    asked = {entry: cloud.aws.asked(entry) for entry in ROLES}
    idle = [
        f"{entry}: {', '.join(map(_name, unit))}"
        for entry in ROLES
        for unit in _units(entry)
        if not any(_matches(cloud, wanted, asked[entry]) for capability in unit for wanted in _grants(capability))
    ]
    everyone = {
        id(capability): set().union(
            *(asked[entry] for entry, capabilities in ROLES.items() if any(capability is each for each in capabilities))
        )
        for capabilities in ROLES.values()
        for capability in capabilities
    }
    unused = sorted(
        {
            f"{_name(capability)}: {wanted}"
            for capabilities in ROLES.values()
            for capability in capabilities
            for wanted in _grants(capability)
            if not _matches(cloud, wanted, everyone[id(capability)])
        }
    )
    assert (idle, unused) == ([], [])


def test_the_policies_grant_what_the_capabilities_say_and_nothing_else(cloud: Cloud) -> None:
    known = set(VERBS.values()) | {
        "lambda:InvokeFunction",
        "sqs:SendMessage",
        "execute-api:ManageConnections",
        "secretsmanager:GetSecretValue",
    }
    for entry, policy in cloud.aws.policies.items():
        for statement in policy:
            assert statement.sid in BY_THE_SERVICE or set(statement.actions) <= known, (entry, statement)
        named = {statement.sid for statement in policy}
        assert ("Queue" in named) == (entry in LATER)
        assert ("Stream" in named) == (entry == "on_change")


def _units(entry: str) -> list[tuple[Capability, ...]]:
    """What a function must use of its capabilities: each of them, but those that are one way through the code together."""
    mine = ROLES[entry]
    way = next((each for each in (HOLD, CALL) if set(map(id, each)) <= set(map(id, mine))), ())
    return [*([way] if way else []), *((each,) for each in mine if not any(each is one for one in way))]


Wanted = tuple[str, str]


def _grants(capability: Capability) -> list[Wanted]:
    """What a capability grants, one action and one thing at a time."""
    made = [(VERBS[letter], table) for table, letters in capability.tables.items() for letter in letters]
    made += [("lambda:InvokeFunction", entry) for entry in capability.invokes]
    made += [("sqs:SendMessage", entry) for entry in capability.later]
    made += [("execute-api:ManageConnections", f"/{verb}/") for verb in capability.sockets]
    return made + [("secretsmanager:GetSecretValue", f"{name}-key") for name in capability.secrets]


def _matches(cloud: Cloud, wanted: Wanted, asked: set[Asked]) -> bool:
    action, thing = wanted
    if thing == DOCUMENTS:
        system = {
            f"concave-dev-{name}" for name in ("fences", "commits", "claims", "mailboxes", "subscriptions", "inbox", "watches")
        }
        return any(
            each.action == action and each.resource.split("/")[1] not in system
            for each in asked
            if each.action.startswith("dynamodb:")
        )
    if action.startswith("dynamodb:"):
        return any(each.action == action and each.resource.split("/")[1] == f"concave-dev-{thing}" for each in asked)
    if action == "lambda:InvokeFunction":
        return any(each.action == action and each.resource.endswith(f":concave-dev-{thing}:live") for each in asked)
    if action == "sqs:SendMessage":
        return any(each.action == action and each.resource.endswith(f":concave-dev-{thing}") for each in asked)
    return any(each.action == action and thing in each.resource for each in asked)


def _name(capability: Capability) -> str:
    return next(name for name, value in vars(policies).items() if value is capability)


MEASURED = {
    "FanOutLag": {"function"},
    "FanOutConnections": {"function"},
    "FirstToken": {"function", "model"},
    "Posts": {"function", "outcome"},
    "OrphanRuns": {"function"},
    "IndexLag": {"function"},
    "ReplyTokens": {"function"},
}
"""What the walk cannot pass without measuring; retries and expired leases take trouble (`tests/functions/test_meters.py`)."""


def _metrics(log: str) -> Iterator[dict[str, Any]]:
    """The EMF objects of a log that many processes write: two may stand on one line, where a newline came after the other."""
    for found in re.finditer(r'\{"_aws"', log):
        each, _ = json.JSONDecoder().raw_decode(log, found.start())
        yield each


def test_the_functions_write_metrics_that_the_alarms_read(cloud: Cloud) -> None:
    """EMF lines, with the very dimensions: a metric of CloudWatch is another one for every set of them."""
    _npm(cloud, "reply")  # whatever other tests of this file this process runs
    cloud.lambdas.call("sweep", {})
    told: dict[str, list[tuple[dict[str, Any], float]]] = {}
    for each in _metrics((cloud.root / "log.txt").read_text()):
        (directive,) = each["_aws"]["CloudWatchMetrics"]
        assert directive["Namespace"] == "Concave"
        dimensions = {name: each[name] for names in directive["Dimensions"] for name in names}
        for metric in directive["Metrics"]:
            told.setdefault(metric["Name"], []).append((dimensions, each[metric["Name"]][0]))
    assert {name: set(told[name][0][0]) for name in MEASURED if name in told} == MEASURED
    assert all(value > 0 for _, value in told["IndexLag"])
    resources = cloud.template["Resources"].values()
    for alarm in (each["Properties"] for each in resources if each["Type"] == "AWS::CloudWatch::Alarm"):
        if alarm["Namespace"] == "Concave" and alarm["MetricName"] in told:
            wanted = {each["Name"]: each["Value"] for each in alarm["Dimensions"]}
            assert wanted in [dimensions for dimensions, _ in told[alarm["MetricName"]]], alarm["MetricName"]


def test_no_secret_and_no_content_is_in_the_logs(cloud: Cloud) -> None:
    token = cloud.issuer.token("alice", "acme")
    _http(cloud, "mutation", "permitted:add", owner="ann", code="CANARY-5b1f")
    log = (cloud.root / "log.txt").read_text()
    assert "concave-dev-api" in log
    assert [word for word in ("CANARY-5b1f", EDGE_SECRET, token.split(".")[1]) if word in log] == []
