"""What strangers may learn: nothing (invariant 9). Every public function, found by enumeration, through every door.

A call of each function is made up from its signature. Arguments that name things stand in `NAMES`; a new function whose
arguments name something else fails here until somebody says what a real one of those is.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import inspect

from chalicelib.doors.http import HttpRequest, handle
from chalicelib.runtime.registry import Function
from infra.local.model.server import ScriptedModel
from infra.local.push_keys import encoded
from tests.functions.conftest import Refusal
from tests.functions.machines import with_a_question
from tests.functions.names import CHOSEN, FREE, MADE_AT_ONCE, MADE_NOW, NAMES
from tests.functions.tabs import Live, who
from tests.live import counters
from tests.support.memories import of_a_fact, remembered
from tests.support.push_service import Browser
from tests.support.sim import Sim
from tests.support.verdict import check, rows

PUBLIC, _ = encoded(ec.derive_private_key(7, ec.SECP256R1()))
DOORS_ASK = ["bob@acme", "alice@north", None]
"""Every door asks the executor, which all of them ask; so a door is asked by these."""
OWNED = ("conversations", "domains", "tasks", "agentRuns", "cronAgents", "images", "chatSessions", "chatMessages", "runs")
OWNED += ("chatChunks", "participants", "erasures", "jobs", "pushSubscriptions")
OWNED += ("machines", "workers", "workerBeats", "permissionRequests")
OWNED += ("agents", "agentRooms", "chatSockets", "presences", "receipts")
OWNED += ("memories", "memoryVersions", "memoryErasures", "facts", "mutables")
"""The tables of people's things."""
KNOWN = ("sessionId", "messageId", "conversationId", "receiptId", "socket", "imageId", "domainId", "taskId", "agentRunId")
KNOWN += ("scheduleId", "endpoint", "machineId", "requestId", "memoryId", "factId")
"""What only its owner and the owner's own know by name."""
STRANGERS = [
    "bob@acme",
    "alice@north",
    "worker-mallory@acme+worker",
    "worker-real@south+worker",
    "worker-real@acme",
    "agent-mallory@acme+agent",
    "agent-real@east+agent",
    "agent-real@acme",
    "backend@west+service",
    None,
]
"""Other users, workers and agents, namesakes of other orgs, people who claim to be the worker or agent, another org's own
backend, and nobody."""


@dataclass
class Scene:
    """A house in which alice of acme has two sessions, one of them held by a worker, with a reply done and one begun, and a
    conversation with an agent."""

    house: Live
    real: dict[str, list[str]]
    _own: dict[str | None, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def set(cls, model: ScriptedModel) -> Scene:
        """Open one."""
        house = Live(
            model, push_public_key=PUBLIC, workers_shared=("worker-real", "worker-own")
        )  # without the private key nothing leaves this house
        alice = house.person("alice")
        domain = alice.mutation("domains:create", name="a canary's domain")["domainId"]
        own = alice.mutation("chat:startSession", domainId=domain)
        held = [alice.mutation("chat:startSession", workerId="worker-real") for _ in range(2)]
        replies = [alice.mutation("chat:sendMessage", sessionId=own, content="/say the canary sings", clientKey="x")]
        house.work()
        replies += [alice.mutation("chat:sendMessage", sessionId=each, content="a canary") for each in held[:1]]
        between = {"type": "user-agent", "participants": {"userId": "alice", "agentId": "agent-real"}}
        talks = [alice.mutation("conversations:create", **between)["conversationId"] for _ in range(3)]
        said = {"role": "user", "content": "a canary"}
        told = [alice.mutation("conversations:addMessage", conversationId=each, message=said)["messages"] for each in talks]
        for number, each in enumerate(("agent-real", "agent-second")):
            alice.action("agents:create", id=each)
            alice.mutation("gateway:open", socket=f"socket-of-alice-{number}", conversationId=talks[number])
        receipt = alice.mutation("conversations:delete", conversationId=talks.pop())["receiptId"]
        chats = [each for each in alice.query("conversations:list", includeMessages=True) if each["conversationId"] not in talks]
        talks[1] = next(each["conversationId"] for each in chats if each["messages"])  # one of `chat`'s
        named = {
            "workerId": "worker-real",
            "domainId": domain,
            "containerId": f"domain_{domain}",
            "userId": "alice",
            "agentId": "agent-real",
        }
        named |= {"participantId": "alice", "receiptId": receipt}
        real = {name: [value, value] for name, value in named.items()}
        real |= {each: ["agent-real", "agent-second"] for each in ("agentId", "id")}
        real |= {"socket": ["socket-of-alice-0", "socket-of-alice-1"]}
        real |= {"sessionId": [own, held[0]], "conversationId": talks, "messageId": [replies[0], told[0][0]["id"]]}
        real["taskId"] = [alice.mutation("tasks:create", title="a canary")["taskId"] for _ in range(2)]
        real["agentRunId"] = [
            alice.mutation("tasks:startRun", taskId=each, type="review")["agentRunId"] for each in real["taskId"]
        ]
        asked = {"name": "a canary", "prompt": "sing", "schedule": "0 0 1 1 *"}
        real["scheduleId"] = [alice.mutation("schedules:create", **asked)["scheduleId"] for _ in range(2)]
        real["memoryId"] = [remembered(alice, f"a canary {number}") for number in range(2)]
        real["factId"] = [of_a_fact(alice, f"a canary {number}") for number in range(2)]
        real["receiptId"][1] = alice.mutation("memories:delete", space="x", memoryId=remembered(alice, "a canary"))["receiptId"]
        for space in (None, "default"):  # what calls are made up with, in its own space and in the org's
            keeper = alice if space is None else house.person_of("backend@acme+service")
            keeper.mutation("mutable:set", namespace="x", key="x", value=f"a canary {own}", userId="alice", space=space)
        real["replyId"] = [f"agent_{each.removeprefix('msg-')}" for each in replies[:2]]
        real["endpoint"] = [f"https://fcm.googleapis.com/fcm/send/of-alice-{number}" for number in range(2)]
        for each in real["endpoint"]:
            alice.mutation("push:subscribe", subscription=Browser(each).subscription, label="a canary")
        house.backend.executor.limits["workers_shared"] = ("worker-own",)  # and alice's not any more
        real |= with_a_question(house, "alice")
        real["imageId"] = [alice.query("chat:getSession", sessionId=each)["imageId"] for each in (own, held[0])]
        return cls(house, real)

    def own(self, stranger: str | None) -> dict[str, str]:
        """Things of the stranger's own, of each kind."""
        if stranger not in self._own:
            names = self._own[stranger] = {name: f"{start}{'o' * 20}" for name, start in NAMES.items()}
            if stranger is not None:
                person, subject = self.house.person_of(stranger), stranger.partition("@")[0]
                if stranger.endswith("+agent"):
                    owner = who(f"keeper@{stranger.partition('@')[2].removesuffix('+agent')}")
                    made = self.house.backend.executor.action("agents:create", {"id": subject}, owner)
                    assert made.ok, made.error
                worker = subject if subject not in self.real["workerId"] else "worker-own"  # a namesake is somebody else
                names["sessionId"] = person.mutation("chat:startSession", workerId=worker)
                names["messageId"] = person.mutation("chat:sendMessage", sessionId=names["sessionId"], content="mine")
                names["replyId"] = f"agent_{names['messageId'].removeprefix('msg-')}"
                names["imageId"] = person.query("chat:getSession", sessionId=names["sessionId"])["imageId"]
                names["domainId"] = person.mutation("domains:create", name="mine")["domainId"]
                names["containerId"] = f"domain_{names['domainId']}"
                names["taskId"] = person.mutation("tasks:create", title="mine")["taskId"]
                names["agentRunId"] = person.mutation("tasks:startRun", taskId=names["taskId"], type="review")["agentRunId"]
                asked = {"name": "mine", "prompt": "sing", "schedule": "0 0 1 1 *"}
                names["scheduleId"] = person.mutation("schedules:create", **asked)["scheduleId"]
                names["userId"] = names["participantId"] = subject
                if not stranger.endswith("+worker"):  # which have no memories
                    names |= {"memoryId": remembered(person, "mine"), "factId": of_a_fact(person, "mine")}
                if stranger.endswith("+agent"):
                    names |= {"userId": "user-own", "agentId": subject}
                between = {"userId": names["userId"], "agentId": names["agentId"]}
                made = person.mutation("conversations:create", type="user-agent", participants=between)
                names |= {"conversationId": made["conversationId"], "socket": f"socket-of-{stranger}"}
                person.mutation("gateway:open", socket=names["socket"], conversationId=names["conversationId"])
        return self._own[stranger]

    def victims(self) -> list[bytes]:
        """Everything of acme's alice and her worker, as it lies in the store."""
        found, named = list[bytes](), [*self.ids, "agents|agent-real"]
        for table in OWNED:
            with self.house.sqlite._guard():
                rows = self.house.sqlite._db.execute(f'SELECT item FROM "items.{table}"').fetchall()
            ours = [bytes(item) for (item,) in rows if b"acme|" in item]
            found += [item for item in ours if any(name.encode() in item for name in named)]
        return found

    @property
    def ids(self) -> list[str]:
        """Alice's sessions, conversations, messages and receipts: what only she and hers know."""
        return [each for name in KNOWN for each in self.real[name]]


def naming(function: Function[..., Any]) -> list[str]:
    """The arguments of a function that name something, as paths: `participants.userId`."""
    info = inspect.type_info(function.args)
    assert isinstance(info, inspect.StructType)
    return list(_naming(function, info, ""))


def _naming(function: Function[..., Any], info: inspect.StructType, within: str) -> Iterator[str]:
    for each in info.fields:
        name, inner = each.encode_name, _struct(each.type)
        if inner is not None:
            yield from _naming(function, inner, f"{within}{name}.")
        elif (name in NAMES or name.endswith(("Id", "Ids", "id"))) and within + name not in FREE:
            known = name.removesuffix("s") in NAMES
            assert known, f"{function.path}: say in NAMES what {name} is, or in FREE that its caller makes it up"
            yield within + name


def _struct(kind: inspect.Type) -> inspect.StructType | None:
    kinds = kind.types if isinstance(kind, inspect.UnionType) else [kind]
    return next((each for each in kinds if isinstance(each, inspect.StructType)), None)


def made_up(function: Function[..., Any]) -> dict[str, Any]:
    """Arguments that a function accepts: all that it needs, and every switch turned on."""
    info = inspect.type_info(function.args)
    assert isinstance(info, inspect.StructType)
    return {
        each.encode_name: True if isinstance(each.type, inspect.BoolType) and each.encode_name != "dryRun" else _value(each.type)
        for each in info.fields
        if each.required or isinstance(each.type, inspect.BoolType)
    }


def with_names(args: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """Arguments with these names in their places."""
    found: dict[str, Any] = json.loads(json.dumps(args))
    for path, value in names.items():
        *within, last = path.split(".")
        place = found
        for part in within:
            place = place.setdefault(part, {})
        place[last] = [value] if last.endswith("Ids") else value
    return found


def _value(kind: inspect.Type) -> Any:
    match kind:
        case inspect.Metadata():
            return _value(kind.type)
        case inspect.StrType():
            return "x" * max(1, kind.min_length or 0)
        case inspect.IntType() | inspect.FloatType():
            return kind.ge or 0
        case inspect.BoolType():
            return False
        case inspect.ListType() | inspect.VarTupleType():
            return [_value(kind.item_type) for _ in range(kind.min_length or 0)]
        case inspect.DictType():
            return {}
        case inspect.LiteralType():
            return kind.values[0]
        case inspect.UnionType():
            return None if any(isinstance(each, inspect.NoneType) for each in kind.types) else _value(kind.types[0])
        case inspect.StructType() if kind.cls.__name__ == "PaginationOptions":
            return {"numItems": 1, "cursor": None, "id": 1}
        case inspect.StructType():
            return {each.encode_name: _value(each.type) for each in kind.fields if each.required}
        case inspect.AnyType() | inspect.NoneType():
            return None
    raise AssertionError(f"no value for {kind}")


@dataclass(frozen=True)
class Question:
    """The same call with real names of alice's, and with random ones in their place."""

    real: dict[str, Any]
    random: dict[str, Any]
    names: list[str]
    """The real names, then the random ones."""


def questions(scene: Scene, function: Function[..., Any], own: dict[str, str], colleague: bool) -> Iterator[Question]:
    """One foreign name at a time among the stranger's own, then all of them. `colleague`: of the same org."""
    names = naming(function)
    kind = lambda path: path.rpartition(".")[2].removesuffix("s")  # noqa: E731
    for foreign in [[name] for name in names] + ([names] if len(names) > 1 else []):
        chosen = {(function.path, name) for name in foreign} & CHOSEN
        if chosen and (colleague or len(foreign) > 1 or chosen & MADE_AT_ONCE):
            continue
        for number in range(2):
            args = with_names(made_up(function), {name: own[kind(name)] for name in names})
            real = {name: scene.real[kind(name)][number] for name in foreign}
            random = {name: f"{NAMES[kind(name)]}{'q' * 19}{number + 2}" for name in foreign}
            for name in names:
                if (function.path, name) in CHOSEN and name not in foreign:
                    real[name], random[name] = (f"{NAMES[kind(name)]}{uuid.uuid4()}" for _ in range(2))
            yield Question(with_names(args, real), with_names(args, random), [*real.values(), *random.values()])


# Doors -------------------------------------------------------------------------------------------------------------------

Door = Callable[[Scene, str | None, Function[..., Any], dict[str, Any]], str]


def executor(scene: Scene, caller: str | None, function: Function[..., Any], args: dict[str, Any]) -> str:
    """The way that all doors go."""
    run = scene.house.backend.executor
    call: Any = {"query": run.query, "mutation": run.mutation, "action": run.action}[function.kind]
    outcome = call(function.path, args, who(caller))
    return f"{outcome.ok} {outcome.text} {outcome.error} {outcome.log_lines}"


def over_http(scene: Scene, caller: str | None, function: Function[..., Any], args: dict[str, Any]) -> str:
    """`POST /api/query`, `/api/mutation`, `/api/action`."""
    return _post(scene, caller, f"/api/{function.kind}", {"path": function.path, "args": args})


def by_name(scene: Scene, caller: str | None, function: Function[..., Any], args: dict[str, Any]) -> str:
    """`POST /api/run/module/function`."""
    return _post(scene, caller, f"/api/run/{function.path.replace(':', '/')}", {"args": args})


def _post(scene: Scene, caller: str | None, path: str, body: dict[str, Any]) -> str:
    headers = {"content-type": "application/json"} | ({} if caller is None else {"authorization": f"Bearer {caller}"})
    answer = handle(scene.house.backend, HttpRequest("POST", path, {}, headers, json.dumps(body).encode()))
    return f"{answer.status} {sorted(answer.headers.items())} {answer.body}"


def over_sync(scene: Scene, caller: str | None, function: Function[..., Any], args: dict[str, Any]) -> str:
    """A socket of the sync protocol: a live query, or a call."""
    tab = scene.house.tab(caller)
    try:
        if function.kind == "query":
            query = tab.client.subscribe(function.path, args)
            tab.flush()
            return str(tab.client.results[query])
        call = tab.client.mutate(function.path, args) if function.kind == "mutation" else tab.client.act(function.path, args)
        tab.flush()
        assert call.settled
        return f"{call.state} {call.result} {call.error}"
    finally:
        tab.close()


DOORS: dict[str, Door] = {each.__name__: each for each in (executor, over_http, by_name, over_sync)}


# The claim ----------------------------------------------------------------------------------------------------------------


def learns_nothing(scene: Scene, function: Function[..., Any], door: Door = executor) -> int:
    """Every stranger gets the same bytes for alice's things as for random ones, and changes none. Returns how many asked."""
    asked = 0
    for stranger in STRANGERS if door is executor else DOORS_ASK:
        own = scene.own(stranger)
        before = scene.victims()
        colleague = stranger is not None and stranger.partition("@")[2].startswith("acme")
        for each in [*questions(scene, function, own, colleague), None]:
            if each is None:
                answers = [door(scene, stranger, function, made_up(function))]  # names nothing at all
            else:
                answers = [_without(door(scene, stranger, function, args), each.names) for args in (each.real, each.random)]
            what = f"{stranger} asked {function.path} {each and each.real}"
            assert "canary" not in answers[0], f"{what} and was told {answers[0]}"
            assert not [name for name in scene.ids if name in answers[0]], f"{what} and was told {answers[0]}"
            namesake = stranger is not None and each is not None and stranger.partition("@")[0] in each.names
            assert namesake or len({*answers}) == 1, f"{what}: {answers}"
            asked += each is not None
        assert scene.victims() == before, f"{stranger} changed something by {function.path}"
    return asked


def _without(told: str, names: list[str]) -> str:
    """An answer without the names that the caller said itself, and what is new with every call."""
    for name in names:
        told = told.replace(name, "…")
    return MADE_NOW.sub("*", told)


def each_learns_nothing(model: ScriptedModel, door: Door = executor) -> dict[str, int]:
    """All public functions: how often each was asked."""
    scene = Scene.set(model)
    registry = scene.house.backend.registry
    return {function.path: learns_nothing(scene, function, door) for function in registry if function.public}


def one_name_in_two_orgs_is_two_things(model: ScriptedModel) -> None:
    """The same user name, day, and idempotency key in two orgs."""
    house = Live(model, token_budget_per_org=1)
    here, there = (house.person_of(token) for token in ("alice@acme", "alice@other"))
    sessions = [person.mutation("chat:startSession") for person in (here, there)]
    listed = [[each["sessionId"] for each in person.query("chat:listSessions")] for person in (here, there)]
    assert listed == [[name] for name in sessions], "a list of another org's"
    here.mutation("chat:sendMessage", sessionId=sessions[0], content="hello")
    house.work()
    try:
        there.mutation("chat:sendMessage", sessionId=sessions[1], content="hello")
    except Refusal as refused:
        raise AssertionError("one org's budget is spent by another") from refused
    same = [house.backend.executor.mutation("chat:startSession", {}, person.user, key="same").value for person in (here, there)]
    assert same[0] != same[1], "an answer of another org's"


def a_value_is_shared_within_its_org(_: ScriptedModel) -> None:
    """The same query by users of two orgs, served together."""
    with Sim(1, counters) as sim:
        people = [sim.person(f"p{number}", token) for number, token in enumerate(("alice@acme", "bob@other"))]
        for person in people:
            person.watch("counters:get", name="a")
        assert sim.until(lambda: all(person.client.in_step for person in people), 10_000)
        sim.run(200)  # until their leases are free
        sim.executor.mutation("counters:add", {"name": "a", "op": "secret"}, sim.backend.verifier.verify("carol@acme"))

        def all_at_once() -> None:
            wakings = [sim.backend.mailboxes.wake(f"conn-{number}", ["0"]) for number in (1, 2)]
            sim.backend.batches.serve([waking.held for waking in wakings if waking.held is not None])

        sim.pumping = False
        sim.invoke("all at once", all_at_once)
        sim.run(1000)
        check(sim)
        assert [person.client.value(0)["ops"] for person in people] == [["secret"], []]
        assert {row["pk"].partition("|")[0] for row in rows(sim, "watches") if row["connection"] == "conn-2"} == {"other"}
