"""How a connection is kept in rows: its state in the mailbox, its frames in the inbox, its queries and their watches.

Small rows, because DynamoDB bills the whole item: a connection with 300 queries has 300 small subscriptions, not one
large row that every wake-up rewrites.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from chalicelib.data import trace
from chalicelib.data.reads import Touched, Watch
from chalicelib.data.receipts import from_row
from chalicelib.data.store import Equals, Item, Key, Path, Update
from chalicelib.live.messages import Action, Failure, Mutation, Version, path_of, stored_frame
from chalicelib.live.session import Answer, State, fitted

LIFE_S = 3 * 3600
"""Rows of a connection outlive its longest life (2 hours) a little; TTL then takes what nobody cleaned up."""
CONNECT, AUTHENTICATE, MODIFY, MUTATION, ACTION, ANSWER = "1|connect", "2|auth", "3|modify", "4|mutation", "5|action", "6|answer"
BROUGHT_CHARS, BROUGHT, MANY = 800, 6, 3
"""Frames that are not longer wait in the mailbox itself, so many of them: one write brings the frame and its note. `MANY`
that are taken in are removed before the release."""
USUAL = (
    b'{"type":"Connect","sessionId":"","connectionCount":0,"lastCloseReason":"InitialConnect","maxObservedTimestamp":"","clientTs":'
    b'{"type":"Authenticate","baseVersion":0,"tokenType":"User","value":"'
    b'{"type":"ModifyQuerySet","baseVersion":,"newVersion":,"modifications":[{"type":"Remove","queryId":'
    b'{"type":"Add","queryId":,"udfPath":"","args":[{}],"journal":null}]}'
)
"""What frames say again and again. Never to be changed: frames are unpacked with it by whoever comes next."""
PLAIN_CHARS = 200
"""Longer arguments are packed where a mailbox keeps them."""
FAULT = "7|fault"
"""A sentence about a frame that could not be read; nothing waits for it."""


def state_of(row: Item) -> State:
    """The session state in a mailbox row."""
    return State(
        version=Version(int(row.get("qs", 0)), int(row.get("ident", 0)), int(row.get("ts", 0))),
        opened=int(row["opened"]),
        first=bool(row.get("first")),
        floor=int(row.get("floor", 0)),
        session=str(row.get("session", "")),
        settled=bool(row.get("settled")),
        owed=bool(row.get("owed")),
        again=bool(row.get("again")),
        **_promises(row.get("late") or ()),
    )


def state_sets(state: State) -> dict[Path, Any]:
    """The attributes of a mailbox row that hold a state."""
    values = {
        "qs": state.version.query_set,
        "ident": state.version.identity,
        "ts": state.version.ts,
        "first": state.first,
        "floor": state.floor,
        "session": state.session,
        "settled": state.settled,
        "owed": state.owed,
        "again": state.again,
        "late": [state.reserved, state.promised, state.since, *sorted(state.pending)] if state.promised else [],
    }
    return {(name,): value for name, value in values.items()}


def _promises(late: Sequence[int]) -> dict[str, Any]:
    """What a mailbox row says of answers whose effect is not shown yet."""
    if not late:
        return {}
    reserved, promised, since, *pending = map(int, late)
    return {"reserved": reserved, "promised": promised, "since": since, "pending": frozenset(pending)}


def expired(row: Item, now_ms: int) -> bool:
    """Whether the token behind a mailbox's identity is over."""
    return 0 < int(row.get("expires", 0)) < now_ms


def changing(row: Item) -> bool:
    """Whether an Authenticate is here that has not been taken in: nobody knows whose a call is."""
    return int(row.get("auth", 0)) > int(row.get("ident", 0))


def has_lane(row: Item) -> bool:
    """Whether calls of a connection may be run by its lane. Before one is, the mailbox says so."""
    return row.get("lane") is not False


def log_mark(address: str) -> str:
    """Names a log in the mailboxes that its writer holds."""
    return hashlib.sha256(address.encode()).hexdigest()[:16]


def place(kind: str, number: int) -> str:
    """The inbox key of a frame or answer. The same frame twice has the same key."""
    return f"{kind}|{number:019d}"


def frame_row(connection: str, kind: str, number: int, body: str, now_ms: int) -> Item:
    """An inbox row for a frame."""
    row = {"pk": connection, "sk": place(kind, number), "at": now_ms, "body": body, "ttl": now_ms // 1000 + LIFE_S}
    return {**row, "trace": trace.current()} if trace.current() else row


def brought(mailbox: Item) -> list[Item]:
    """The frames that wait in a mailbox, as the inbox would have them."""
    return [
        {"pk": mailbox["pk"], "sk": name, **mailbox[name], "body": _unpack(mailbox[name]["body"])}
        for name in sorted(mailbox)
        if "|" in name
    ]


def packed(frame: Item) -> Item:
    """A frame as a mailbox keeps it: small, for a mailbox is written often."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, zdict=USUAL)
    body = packer.compress(frame["body"].encode()) + packer.flush()
    return {"at": frame["at"], "body": body, **({"trace": frame["trace"]} if "trace" in frame else {})}


def _unpack(body: Any) -> str:
    return zlib.decompressobj(-15, zdict=USUAL).decompress(bytes(body)).decode()


def only_brought(mailbox: Item, own: int) -> bool:
    """Whether each note but the holder's own has brought its frame with it, and nothing waited before."""
    news = int(mailbox["notes"]) - int(mailbox.get("seen", 0))
    return news - int(mailbox.get("queued", 0)) == own and mailbox.get("rest") is False


def number_of(row: Item) -> int:
    """The request id, or base version, in an inbox key."""
    return int(row["sk"].rsplit("|", 1)[1])


def control_of(row: Item) -> Any:
    """The Connect, Authenticate or ModifyQuerySet in an inbox row."""
    return stored_frame(row["body"])


def called(row: Item) -> str:
    """The path of the function that a stored call names."""
    call = stored_frame(row["body"])
    return path_of(call) if isinstance(call, Mutation | Action) else ""


def is_of(commit: Item | None, frame: Item) -> TypeGuard[Item]:
    """Whether a commit is that of this very call, and not of another one that had the same session and number."""
    return commit is not None and commit["call"] == frame.get("call", commit["call"])


def committed(number: int, commit: Item) -> tuple[Answer, list[Touched]]:
    """The answer that a `commits` row holds, and what it has touched."""
    receipt = from_row(commit)
    return fitted(Answer(number, "Mutation", receipt.result, None, tuple(receipt.log_lines))), receipt.touched


def answer_row(connection: str, answer: Answer, now_ms: int) -> Item:
    """An inbox row for an answer that no `commits` row holds: of a failed mutation, or of an action."""
    body = {
        "kind": answer.kind,
        "result": answer.result,
        "failure": None if answer.failure is None else {"message": answer.failure.message, "data": answer.failure.data},
        "logs": list(answer.log_lines),
    }
    return frame_row(connection, ANSWER, answer.request_id, json.dumps(body), now_ms)


def answer_of(row: Item) -> Answer:
    """The answer in an inbox row."""
    body = json.loads(row["body"])
    failure = None if body["failure"] is None else Failure(body["failure"]["message"], body["failure"]["data"])
    return Answer(number_of(row), body["kind"], body["result"], failure, tuple(body["logs"]))


@dataclass
class Subscription:
    """One live query of one connection."""

    query_id: int
    path: str
    args: str
    """The arguments as sent, as JSON text."""
    watches: list[Watch] = field(default_factory=list)
    digest: str = ""
    """Of what the client last got; equal means nothing is sent."""
    journal: str | None = None
    stored: tuple[str, str | None] | None = None
    """Digest and journal as the row has them; None: there is no row yet. Not a part of the row."""
    asked: str = ""
    """The arguments as the row has them. Not a part of it."""

    @property
    def moved(self) -> bool:
        """Whether the arguments are not those of the row."""
        return self.args != self.asked

    def saved(self) -> None:
        """The row says now what this says."""
        self.stored, self.asked = (self.digest, self.journal), self.args

    def unsaved(self) -> bool:
        """Whether the row says something else."""
        return self.moved or self.stored != (self.digest, self.journal)

    def warm(self) -> str | list[Any]:
        """What the mailbox keeps of this: the digest, with the arguments, long ones packed, if they have moved on."""
        if not self.moved:
            return self.digest
        return [self.digest, self.args if len(self.args) <= PLAIN_CHARS else zlib.compress(self.args.encode(), 9)]

    def warmed(self, kept: Any) -> None:
        """Take over what the mailbox kept."""
        if isinstance(kept, str):
            self.digest = kept
        else:
            self.digest = str(kept[0])
            self.args = kept[1] if isinstance(kept[1], str) else zlib.decompress(bytes(kept[1])).decode()

    def update(self, connection: str, ttl: int) -> Update:
        """What makes the stored row say what this says, when its watches are the same. One that arrives late changes nothing."""
        assert self.stored is not None
        sets: dict[Path, Any] = {("digest",): self.digest, ("ttl",): ttl}
        if self.journal is not None:
            sets[("journal",)] = self.journal
        if self.moved:
            sets[("args",)] = self.args
        return Update(Key("subscriptions", connection, str(self.query_id)), sets, condition=Equals(("digest",), self.stored[0]))

    def row(self, connection: str, ttl: int) -> Item:
        """As stored."""
        item: Item = {
            "pk": connection,
            "sk": str(self.query_id),
            "path": self.path,
            "args": self.args,
            "watches": [list(watch) for watch in self.watches],
            "digest": self.digest,
            "ttl": ttl,
        }
        if self.journal is not None:
            item["journal"] = self.journal
        return item

    @classmethod
    def of(cls, row: Item) -> Subscription:
        """From a stored row."""
        watches = [(address, low, high) for address, low, high in row["watches"]]
        digest, journal = row["digest"], row.get("journal")
        stored = (digest, journal)
        return cls(int(row["sk"]), row["path"], row["args"], watches, digest, journal, stored=stored, asked=row["args"])


def watch_key(connection: str, query_id: int, watch: Watch) -> dict[str, str]:
    """The key attributes of a watch."""
    bounds = hashlib.sha256(f"{watch[1]}|{watch[2]}".encode()).hexdigest()[:16]
    return {"pk": watch[0], "sk": f"{connection}|{query_id}|{bounds}"}


def watch_place(connection: str, query_id: int, watch: Watch) -> Key:
    """Where a watch is."""
    return Key("watches", **watch_key(connection, query_id, watch))


def watch_row(connection: str, query_id: int, watch: Watch, ttl: int) -> Item:
    """A watch: who wants to know of changes between two positions of an address."""
    return {
        **watch_key(connection, query_id, watch),
        "low": watch[1],
        "high": watch[2],
        "connection": connection,
        "query": query_id,
        "ttl": ttl,
    }
