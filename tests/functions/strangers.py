"""What strangers may learn: nothing (invariant 9). Every public function, found by enumeration, through every door.

A call of each function is made up from its signature. Arguments that name things stand in `NAMES`; a new function whose
arguments name something else fails here until somebody says what a real one of those is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from msgspec import inspect

from chalicelib.doors.http import HttpRequest, handle
from chalicelib.run.registry import Function
from infra.local.model import ScriptedModel
from infra.local.sqlite_values import decode
from tests.functions.conftest import Refusal
from tests.functions.tabs import Live, who
from tests.live import counters
from tests.support.sim import Sim
from tests.support.verdict import check, rows

NAMES = {
    "sessionId": "sess_",
    "messageId": "msg-",
    "workerId": "worker-",
    "domainId": "domain_",
    "conversationId": "conv-",
    "conversationIds": "conv-",
    "messageIds": "msg-",
    "receiptId": "erasure-",
    "userId": "user-",
    "agentId": "agent-",
    "participantId": "user-",
}
"""Wire names of arguments that name something of somebody's, with the beginning of such a name."""
FREE = {"agentSessionId"}
"""Names that the caller makes up."""
MADE_NOW = re.compile(r"(sess_|msg-[0-9]+-|msg-|conv-|img_|run-|chunk-|job-|erasure-|c-)[a-z2-7]{20}|Request ID: [0-9a-f]{16}")
STRANGERS = ["bob@acme", "alice@other", "worker-mallory@acme+worker", "worker-real@other+worker", "worker-real@acme", None]
"""Another user, a namesake of another org, another worker, two who claim to be the worker, and nobody."""


@dataclass
class Scene:
    """A house in which alice of acme has two sessions, one of them held by a worker, with a reply done and one begun."""

    house: Live
    real: dict[str, list[str]]
    _own: dict[str | None, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def set(cls, model: ScriptedModel) -> Scene:
        """Open one."""
        house = Live(model)
        alice = house.person("alice")
        own = alice.mutation("chat:startSession", domainId="domain_real")
        held = [alice.mutation("chat:startSession", workerId="worker-real") for _ in range(2)]
        replies = [alice.mutation("chat:sendMessage", sessionId=own, content="/say the secret is out", clientKey="x")]
        house.work()
        replies += [alice.mutation("chat:sendMessage", sessionId=each, content="a secret") for each in held[:1]]
        chats = {
            each["messages"][0]["content"]: each["conversationId"]
            for each in alice.query("conversations:list")
            if each["messages"]
        }
        who = {"userId": "alice", "agentId": "agent-real"}
        gone = [alice.mutation("conversations:create", type="user-agent", participants=who) for _ in range(3)]
        receipts = [
            alice.mutation("conversations:delete", conversationId=each["conversationId"])["receiptId"] for each in gone[:2]
        ]
        conversations = [chats["/say the secret is out"], chats["a secret"]]
        real = {
            "sessionId": [own, held[0]],
            "messageId": replies,
            "workerId": ["worker-real"] * 2,
            "domainId": ["domain_real"] * 2,
            "conversationId": conversations,
            "conversationIds": conversations,
            "messageIds": replies,
            "receiptId": receipts,
            "userId": ["alice"] * 2,
            "agentId": ["agent-real"] * 2,
            "participantId": ["agent-real", "alice"],
        }
        return cls(house, real)

    def own(self, stranger: str | None) -> dict[str, str]:
        """Things of the stranger's own, of each kind."""
        if stranger not in self._own:
            names = self._own[stranger] = {name: f"{start}{'o' * 20}" for name, start in NAMES.items()}
            if stranger is not None:
                person, subject = self.house.person_of(stranger), stranger.partition("@")[0]
                worker = subject if subject not in self.real["workerId"] else "worker-own"  # a namesake is somebody else
                names["sessionId"] = person.mutation("chat:startSession", workerId=worker)
                names["messageId"] = person.mutation("chat:sendMessage", sessionId=names["sessionId"], content="mine")
                names["conversationId"] = person.query("conversations:list")[0]["conversationId"]
                names["userId"] = names["participantId"] = subject
                names |= {"messageIds": names["messageId"], "conversationIds": names["conversationId"]}
        return self._own[stranger]

    def victims(self) -> list[str]:
        """Everything of acme's alice and her worker, as it lies in the store."""
        found = []
        for table in ("conversations", "images", "chatSessions", "chatMessages", "runs", "chatChunks", "participants", "jobs"):
            with self.house.sqlite._guard():
                rows = self.house.sqlite._db.execute(f'SELECT item FROM "items.{table}"').fetchall()
            texts = [str(decode(row[0])) for row in rows]
            found += [text for text in texts if any(name in text for name in self.ids)]
        return found

    @property
    def ids(self) -> list[str]:
        """Alice's sessions and replies."""
        return [*self.real["sessionId"], *self.real["messageId"]]


def naming(function: Function[..., Any]) -> list[str]:
    """The arguments of a function that name something."""
    names = [name for name in function.args.__struct_encode_fields__ if name.endswith(("Id", "Ids")) and name not in FREE]
    unknown = set(names) - NAMES.keys()
    assert not unknown, f"{function.path}: say in NAMES what {unknown} are, or in FREE that its caller makes them up"
    return names


def made_up(function: Function[..., Any]) -> dict[str, Any]:
    """Arguments that a function accepts, all that it needs and no more."""
    info = inspect.type_info(function.args)
    assert isinstance(info, inspect.StructType)
    return {each.encode_name: _value(each.type) for each in info.fields if each.required}


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
            return []
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


def questions(scene: Scene, function: Function[..., Any], own: dict[str, str]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Pairs of arguments: with real names of alice's, and with random ones in their place. One name at a time, then all."""
    names = naming(function)
    for foreign in [[name] for name in names] + ([names] if len(names) > 1 else []):
        for number in range(2):
            args = {**made_up(function), **{name: _named(name, own[name]) for name in names}}
            real = {name: _named(name, scene.real[name][number]) for name in foreign}
            random = {name: _named(name, NAMES[name] + "q" * 20) for name in foreign}
            yield {**args, **real}, {**args, **random}


def _named(name: str, value: str) -> Any:
    return [value] if name.endswith("Ids") else value


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
    if function.kind == "query":
        query = tab.client.subscribe(function.path, args)
        tab.flush()
        return str(tab.client.results[query])
    call = tab.client.mutate(function.path, args) if function.kind == "mutation" else tab.client.act(function.path, args)
    tab.flush()
    scene.house.act()
    assert call.settled
    return f"{call.state} {call.result} {call.error}"


DOORS: dict[str, Door] = {each.__name__: each for each in (executor, over_http, by_name, over_sync)}


# The claim ----------------------------------------------------------------------------------------------------------------


def learns_nothing(scene: Scene, function: Function[..., Any], door: Door = executor) -> int:
    """Every stranger gets the same bytes for alice's things as for random ones, and changes none. Returns how many asked."""
    asked = 0
    for stranger in STRANGERS:
        own = scene.own(stranger)
        before = scene.victims()
        for real, random in questions(scene, function, own):
            if stranger is not None and stranger.partition("@")[0] in real.values():
                continue  # that name is its own, too, in its org
            told, same = door(scene, stranger, function, real), door(scene, stranger, function, random)
            what = f"{stranger} asked {function.path} {real}"
            assert "secret" not in told, f"{what} and was told {told}"
            assert not [name for name in scene.ids if name in told], f"{what} and was told {told}"
            assert MADE_NOW.sub("*", told) == MADE_NOW.sub("*", same), f"{what}: {told} is not {same}"
            asked += 1
        assert scene.victims() == before, f"{stranger} changed something by {function.path}"
    return asked


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
    """The same query by users of two orgs, served together (review check 35)."""
    with Sim(1, counters) as sim:
        people = [sim.person(f"p{number}", token) for number, token in enumerate(("alice@acme", "bob@other"))]
        for person in people:
            person.watch("counters:get", name="a")
        assert sim.until(lambda: all(person.client.in_step for person in people), 10_000)
        sim.run(200)  # until their leases are free
        sim.executor.mutation("counters:add", {"name": "a", "op": "secret"}, sim.backend.verifier.verify("carol@acme"))

        def together() -> None:
            visits = [sim.backend.mailboxes.knock(f"conn-{number}", ["0"]) for number in (1, 2)]
            sim.backend.holders.serve([visit.held for visit in visits if visit.held is not None])

        sim.pumping = False
        sim.invoke("together", together)
        sim.run(1000)
        check(sim)
        assert [person.client.value(0)["ops"] for person in people] == [["secret"], []]
        assert {row["pk"].partition("|")[0] for row in rows(sim, "watches") if row["connection"] == "conn-2"} == {"other"}
