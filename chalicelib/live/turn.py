"""A holder's turn: look, evaluate, look again, tell, settle (ARCHITECTURE.md, "Connections").

The order is the whole point; each step was found by breaking its absence (`tests/live/test_protective_steps.py`):

1. **look** reads the note counter, the notes and the inbox, *then* evaluation starts: a value that is shared between
   connections must not be older than any of their notes. Identity is stored before its frame is deleted and before
   anything is evaluated.
2. **evaluate** runs what is noted, new, or touched by an answered mutation. A read set that is not covered by watches is
   watched first and run again: no commit slips between reading and watching.
3. **look again** for answers that appeared meanwhile; what their commits touched is evaluated too, until nothing new
   appears. So an answer is never behind its own effect, nor ahead of it.
4. **tell**: answers, then one Transition. A post with any outcome but "ok" closes the connection; nothing is posted twice.
5. **settle**: digests, watches and handled frames, then state and lease in one write, which succeeds only if no note
   came since the look. Every write that could do harm is conditional on the lease.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from chalicelib.data.errors import Contention
from chalicelib.data.reads import Touched
from chalicelib.data.store import Delete, Item, Key, Path, Put
from chalicelib.data.trace import step
from chalicelib.live import rows, session
from chalicelib.live.at_once import open_call
from chalicelib.live.dialect import SYNC
from chalicelib.live.leavings import forget_session, remember_session, remembers_session, write_leavings
from chalicelib.live.mailbox import CALL, Held, retry_until_done
from chalicelib.live.messages import Failure
from chalicelib.live.queries import Closed, Queries
from chalicelib.live.session import Absorbed, Answer, Told, Waiting
from chalicelib.live.world import Shared, World, log_post

ACTION_MS = 15 * 60 * 1000 + 60_000
"""No invocation lives longer (AWS Lambda: 15 minutes): an action that has not answered by then never will."""
REMEMBERED = 64
"""So many request ids a mailbox remembers as answered."""


class Turn(Queries):
    """One connection, held. `batch.py` takes the steps."""

    def __init__(self, world: World, held: Held) -> None:
        super().__init__(world, held)
        self.told = self.state.version
        self.told_marks: dict[str, Any] = {}
        self.looks = 0
        self.released = self.lost = self.lane_waits = self.more = False
        self._start()

    def _start(self) -> None:
        """What is gathered between two settlements."""
        self._start_queries()
        self.answers: dict[int, Answer] = {}
        self.touching: dict[int, set[int]] = {}
        """The queries that each answered call has touched."""
        self.present: set[str] = set()
        self.calls_wait = False
        """Whether frames of mutations are in the inbox that are not answered yet."""
        self.replied: list[int] = []
        self.done: set[str] = set()
        self.faults: list[str] = []
        self.posts = 0
        self.pinged = False

    # 1. Look -----------------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Read notes and inbox, and take in what can be taken in. Raises `LeaseLost`, `Closed`."""
        if self.looks:
            self.world.mailboxes.refresh(self.held)
        self.looks += 1
        row = self.held.row
        self.seen = self.newest = int(row["notes"])
        self.marks = dict(row.get("dirty", {}))
        self.state = rows.state_of(row)
        self.told = self.state.version
        now = self.world.clock.now_ms()  # before the look: what came after it may still have come in time
        inbox = self._inbox(rows.CONNECT)
        self._call_that_is_over(row, now)
        found = self._absorb(inbox, now)
        if found.broken:
            raise Closed(found.broken)
        self._identify(found)
        self._sign_out(found)
        self._expiry(now)
        self.state = found.state
        self.done |= set(found.done)
        self._hear_faults(inbox)
        self._come_back(found, inbox, now)
        self.renamed = bool(found.authenticate)
        if self.state.pending and now - self.state.since > session.PROMISE_NS // 1_000_000:
            raise Closed("what an answered call has touched could not be evaluated")
        if self.state.settled:
            self._change(found)
            self._recall(row, now)
            self._collect(inbox)
            again = {int(mark) for mark, token in self.marks.items() if self.told_marks.get(mark) != token}
            self.stale |= (again & self.queries.keys() - self.kept.keys()) | ({*self.queries} if self.renamed else set())

    def _absorb(self, inbox: list[Item], now: int) -> Absorbed:
        # An identity changes when the call that runs at once is over.
        waits = rows.AUTHENTICATE if self._calling else rows.MUTATION
        control = [
            Waiting(row["sk"], int(row["at"]), rows.control_of(row))
            for row in inbox
            if row["sk"] < rows.MUTATION and not row["sk"].startswith(waits)
        ]
        # npm always sends a query set, if only an empty one; late, it must still be waited for. Rust-based clients may send none.
        rust = self.held.row.get("kind") == "rust"
        called = [int(row["at"]) for row in inbox if rust and row["sk"].startswith((rows.MUTATION, rows.ACTION))]
        return session.absorb(self.state, control, now, self.world.settle_ms, called)

    def _inbox(self, low: str) -> list[Item]:
        """The frames that wait, stored ones and those that the holder has brought."""
        brought = [row for row in rows.brought(self.held.row) if row["sk"] not in self.held.taken]
        given = [row for row in [*self.held.given, *brought] if row["sk"] >= low]
        if self.held.alone:
            return given
        found = retry_until_done(self.world.clock, lambda: self.world.store.query("inbox", self.connection, low=low).items)
        self.present |= {row["sk"] for row in found}
        return found + [row for row in given if row["sk"] not in self.present]

    @property
    def _calling(self) -> bool:
        """Whether somebody else's call runs at once on this connection."""
        return "call" in self.held.row and not self.held.ends

    def _call_that_is_over(self, row: Item, now: int) -> None:
        """A call that is open for too long: answered if it has committed. Raises `Closed` if not: the client says it again."""
        if not self._calling or int(row["call_until"]) >= now:
            return
        self.held.ends = CALL
        found = open_call(row)
        if found is not None and found[0] not in {int(number) for number in row.get("replied", ())} and not self._open(row):
            raise Closed("the process of a call has ended")

    def _open(self, row: Item) -> bool:
        """Take in the answer of the call that runs at once, if it has committed. Returns whether it is new."""
        found = open_call(row)
        if found is None or found[0] in self.answers or found[0] in {int(number) for number in row.get("replied", ())}:
            return False
        (commit,) = self._at_once([Key("commits", self.world.commit_of(row, found[0]))])
        if commit is None or commit["call"] != found[1]:
            return False
        self._answer(found[0], *rows.committed(found[0], commit))
        return True

    def _hear_faults(self, inbox: list[Item]) -> None:
        """Sentences about frames that could not be read; they concern no version and no call."""
        for row in inbox:
            if row["sk"].startswith(rows.FAULT) and row["sk"] not in self.done:
                self.faults.append(row["body"])
                self.done.add(row["sk"])

    def _identify(self, found: Absorbed) -> None:
        """Who is there: stored before frames are deleted and before anything is evaluated, because the lane looks here, too."""
        if self.state.session and found.state.session != self.state.session:
            self.world.mailboxes.save(self.held, {("session",): found.state.session, ("again",): found.state.again})
        for frame in found.authenticate:
            who = self.world.identify(frame)
            if who.error:
                self._post(self.dialect.refused(who.error, frame.base_version, True))
                raise Closed(f"AuthError: {who.error}", pause=True)
            sets: dict[Path, Any] = {("user",): who.stored or "", ("expires",): who.expires or 0, ("settled",): True}
            self.world.mailboxes.save(self.held, {**sets, ("ident",): frame.base_version + 1, ("owed",): True})
            if found.state.session and not who.stored:
                forget_session(self.world, found.state.session)
        # A token that came with the handshake comes with the next one, too: only Convex's clients name it in a frame.
        known = found.state.known and self.held.row.get("user") and self.dialect is SYNC
        if found.state.session and known and (found.authenticate or found.state.session != self.state.session):
            remember_session(self.world, found.state.session)

    def _sign_out(self, found: Absorbed) -> None:
        """The end of a wait is not taken for a sign-out. Raises: `Closed`, when the session has signed in before."""
        fresh = not self.state.settled or found.state.session != self.state.session
        waited = found.state.settled and not found.state.known and found.state.again
        if fresh and waited and remembers_session(self.world, found.state.session):
            raise Closed("a session that has signed in comes without its name")

    def _expiry(self, now: int) -> None:
        if rows.expired(self.held.row, now):
            self._post(self.dialect.refused("The token has expired.", int(self.held.row.get("ident", 1)), False))
            raise Closed("the token has expired", pause=True)

    def _come_back(self, found: Absorbed, inbox: list[Item], now: int) -> None:
        """Ask for a turn at the moment when waiting is over: for an identity, a session, or a frame that was overtaken."""
        calls = [row for row in inbox if row["sk"].startswith(rows.MUTATION) and not (row.get("ran") or self.held.has_run(row))]
        ready = self.state.callable(self._all_open(calls)) if calls else False
        self.lane_waits = ready and not found.identity_waits and not self._calling
        due = [when for when in (found.look_at, found.wake_at) if when is not None]
        if calls and not self.state.session:
            due.append(self.state.opened + self.world.session_ms)
            if now >= due[-1]:
                raise Closed("its session was never named, and a call waits for it")
        elif calls and self.state.settled and not ready and not found.identity_waits and not self._calling:
            raise Closed("a call waits, and nobody has said whose it is")
        if due:
            self.world.later(self.connection, max(1, min(due) - now))

    def _all_open(self, calls: list[Item]) -> bool:
        """Whether nobody's name is needed for any of these calls."""
        return self.state.known or all(self.world.open_to_nobody(rows.called(row)) for row in calls)

    def _collect(self, inbox: Iterable[Item]) -> bool:
        """Take in answers that are ready; what their commits touched becomes stale. Returns whether there were new ones."""
        inbox = [row for row in inbox if row["sk"] >= rows.MUTATION]
        asked = {rows.number_of(row): row for row in inbox if row["sk"] < rows.ANSWER}
        # A frame can come back from the dead: its writer's first try was stored and answered, then the second was stored.
        known = {int(number) for number in self.held.row.get("replied", ())} & asked.keys()
        self.done |= {asked.pop(number)["sk"] for number in known}
        fresh: dict[int, tuple[Answer, list[Touched]]] = {}
        for row in inbox:
            number = rows.number_of(row)
            if row["sk"].startswith(rows.ANSWER) and number not in asked:
                self.done.add(row["sk"])  # it was answered already: an action that was given up, a lane that had lost its lease
            elif row["sk"].startswith(rows.ANSWER) and number not in self.answers:
                fresh[number] = (rows.answer_of(row), [])
        # A commit is a success, whatever a lane that lost its answer may have thought.
        open_ = {number: row for number, row in asked.items() if number not in self.answers}
        mine = self.held.called
        if mine is not None and mine.commit and open_.pop(mine.answer.request_id, None) is not None:
            fresh[mine.answer.request_id] = session.fitted(mine.answer), list(mine.touched)
        for number, commit in self._commits(open_).items():
            fresh[number] = rows.committed(number, commit)
        for number, row in asked.items():
            given_up = row["sk"].startswith(rows.ACTION) and self.world.clock.now_ms() - int(row["at"]) > ACTION_MS
            if given_up and number not in fresh and number not in self.answers:
                fresh[number] = (Answer(number, "Action", "null", Failure("The action's process ended before it answered.")), [])
        for number, (answer, touched) in fresh.items():
            self._answer(number, replace(answer, note=asked[number].get("note", "")), touched)
        self.calls_wait = any(row["sk"] < rows.ACTION and number not in self.answers for number, row in asked.items())
        return bool(fresh)

    def _answer(self, number: int, answer: Answer, touched: list[Touched]) -> None:
        self.answers[number] = answer
        self.touching[number] = self._touched(touched)
        self.stale |= self.touching[number]

    def _commits(self, asked: dict[int, Item]) -> dict[int, Item]:
        """The `commits` rows that exist, by request: read by TransactGetItems, a plain read may miss half a transaction."""
        keys = [(number, Key("commits", row["commit"])) for number, row in asked.items() if "commit" in row]
        found: dict[int, Item] = {}
        for part in (keys[start : start + 100] for start in range(0, len(keys), 100)):
            items = self._at_once([key for _, key in part])
            found |= {number: item for (number, _), item in zip(part, items, strict=True) if rows.is_of(item, asked[number])}
        return found

    def _at_once(self, keys: list[Key]) -> list[Item | None]:
        while True:
            try:
                return retry_until_done(self.world.clock, lambda: self.world.store.transact_get(keys))
            except Contention:
                self.beat()

    # 2. and 3. Evaluate, look again ------------------------------------------------------------------------------------

    def evaluate(self, shared: Shared) -> None:
        """Run what is stale with values of this moment, then look for answers that appeared, until nothing new does."""
        if not self.state.settled:
            return
        self._run(shared)
        while self.ran and self._look_again():
            self.beat()
            self._run(Shared(self.world))
        if self.overdue and not (self.answers or self.changed or self.removed or self.state.owed or self.tried):
            self.stale, self.overdue = self.overdue, set()
            self._run(shared)
            self.evaluate(shared)

    def _look_again(self) -> bool:
        """Whether answers have appeared since the look; what runs nothing shows nothing that could be ahead of one.

        A lane leaves a note before it runs a call (`lane.py`): where none came, and no call waited, the inbox has no answer.
        """
        self.ran = self.held.alone = False
        row, opened = self.held.row, False
        if not self.held.ends:  # while its own call stands there no other one begins
            row = self.world.mailboxes.reread(self.held)
            self.newest = int(row["notes"])
            self.put = []  # they were there before whoever ends the connection looks for them
            opened = self._open(row)
        # Without a note only what is open there has run where there is no lane; where there is one, nothing, if no call waited.
        no_call = not self.held.ends and not self.calls_wait
        quiet = self.newest == self.seen and (no_call or not rows.has_lane(row))
        return (not quiet and self._collect(self._inbox(rows.MUTATION))) or opened

    # 4. Tell -----------------------------------------------------------------------------------------------------------

    def tell(self) -> None:
        """Post answers, then what has changed. Raises `Closed` when a post's outcome is not certain."""
        removed = [self.dialect.removed(query_id) for query_id in sorted(self.removed - self.queries.keys())]
        for sentence in self.faults:
            self._post(self.dialect.fault(sentence))
        self._promise()
        told = self._say([*removed, *self._refusals(), *self._modifications()])
        waiting = {answer.request_id for answer in told.held}
        for number, answer in self.answers.items():
            if number not in waiting:
                asked = rows.MUTATION if answer.kind == "Mutation" else rows.ACTION
                self.done |= {rows.place(asked, number), rows.place(rows.ANSWER, number)}
                self.replied.append(number)
        while told.again:
            self.answers, self.told = {}, self.state.version
            self.stale |= told.again
            self._run(Shared(self.world))
            told = self._say(self._modifications())
        quiet = self.world.clock.now_ms() - int(self.held.row.get("last", self.state.opened))
        if (not self.posts or self.dialect.only_pings_count) and quiet >= self.world.ping_ms(self.held.row):
            self._post(self.dialect.ping)
            self.pinged = True

    def _promise(self) -> None:
        """Tell late answers from others: those whose calls touched what could not be evaluated.

        A client that comes back may show an old value of what was not evaluated on this connection, and wait for what it saw.
        """
        if not self.kept and not self.state.pending:
            return
        kept = self.kept.keys() & self.queries.keys()
        old = {query_id for query_id in kept if self.state.floor and not self.queries[query_id].digest}
        late = {number for number, touched in self.touching.items() if number in self.answers and (touched & kept or old)}
        self.answers |= {number: replace(self.answers[number], late=True) for number in late}
        pending = self.state.pending.union(*(self.touching[number] for number in late), old if late else ()) & kept
        if old and self.told.ts < self.state.floor:
            pending |= old
            if not self.state.reserved:
                since, floor = self.world.clock.now_ms(), self.state.floor
                self.state = replace(self.state, reserved=floor, promised=floor, since=since)
        self.state = replace(self.state, pending=pending, low=bool(old) and self.told.ts < self.state.floor)

    def _say(self, modifications: list[str]) -> Told:
        told = self._compose(modifications)
        for post in told.posts:
            self._post(post)
        if told.close:
            raise Closed(told.close, pause=True)
        for query_id, args in told.moved.items():
            self.queries[query_id].args = args
        self.state = told.state
        return told

    def _compose(self, modifications: list[str]) -> Told:
        return self.dialect.compose(self.told, self.state, self.answers.values(), modifications, self.world.clock.now_ns())

    def _post(self, text: str) -> None:
        self.beat()
        with step("post"):
            outcome = self.world.gateway.post(self.connection, text)
        log_post(self.connection, outcome)
        self.posts += 1
        if outcome != "ok":
            raise Closed(f"a post came to {outcome!r}")

    # 5. Settle ---------------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Store what was told, and give the lease back unless notes came meanwhile (`released`)."""
        left = [row for row in self.held.given if row["sk"] not in self.done]
        self.world.mailboxes.beside(self.held, [Put("inbox", row) for row in left])
        self.held.given = []
        handled = [Delete(Key("inbox", self.connection, sk)) for sk in sorted(self.done & self.present)]
        write_leavings(self.world, self.held, [*self._rows_left(), *handled])
        sets = rows.state_sets(self.state)
        if self.pinged or (self.posts and not self.dialect.only_pings_count):
            sets[("last",)] = self.world.clock.now_ms()
        brought = {row["sk"] for row in rows.brought(self.held.row)} - self.held.taken
        self.held.taken |= self.done & brought
        sets[("rest",)] = bool(left or (self.present | brought) - self.done)
        self.held.alone = False
        if self.replied:
            sets[("replied",)] = [*self.held.row.get("replied", ()), *self.replied][-REMEMBERED:]
        if self.kept or self.held.row.get("kept"):
            sets[("kept",)] = {str(query_id): list(each) for query_id, each in self.kept.items()}
        if self.subs is not None and (self.hot or self.held.row.get("hot")):
            sets[("hot",)] = {str(query_id): kept for query_id, kept in self.hot.items()}
        self._wait_for_kept()
        self.told_marks = self.marks
        self.more = any(each < rows.MUTATION for each in self.done)  # and more of them come, as a rule
        self._start()
        self.released = self._give_back(sets, {str(query_id): "kept" for query_id in self.kept})

    def _give_back(self, sets: dict[Path, Any], dirty: dict[str, str]) -> bool:
        """Give the lease back, if no note came. What others go by is written at once, then: answers, and frames that wait."""
        mailboxes = self.world.mailboxes
        if self.more and self.newest == self.seen:
            self.newest = int(mailboxes.reread(self.held)["notes"])  # a refused write costs more than a look
        if self.newest == self.seen and mailboxes.release(self.held, self.seen, sets, dirty):
            return True
        self.held.unsaved |= sets
        if ("replied",) in sets or sets[("rest",)]:
            mailboxes.save(self.held, self.held.unsaved)
        if len(self.held.taken) >= rows.MANY:
            mailboxes.drop_taken(self.held)
        return False
