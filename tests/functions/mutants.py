"""The protective steps of the domain, each switched off by replacing the code that takes it, for one run (invariants 7 to 10)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import chalicelib.data.commit as commit_module
from chalicelib import ActionCtx, MutationCtx, QueryCtx, Refused, internal_mutation
from chalicelib.backend import Backend
from chalicelib.data import tables, transaction
from chalicelib.data.store import Check, Key, Update
from chalicelib.data.tables import Index, Table, document_key
from chalicelib.domain import access
from chalicelib.domain.machines import permissions
from chalicelib.domain.replies import activity, lifecycle, sessions
from chalicelib.domain.replies.tool_use import ToolUse
from chalicelib.domain.replies.writer import Writer
from chalicelib.functions import chat, runs
from chalicelib.live import batch as holders
from chalicelib.live.turn import Turn
from chalicelib.live.world import Shared
from chalicelib.runtime import transactor
from chalicelib.runtime.registry import Function
from chalicelib.schema import ChatChunk, ChatMessage, ChatSession, Conversation, ParkedReply, Permission, Run
from tests.data.mutants import swapped

Plan, address = commit_module._Plan, Index.address
Switch = Callable[[], AbstractContextManager[None]]


def unconditional(*tables: str) -> Switch:
    """A commit does not mind that documents of these tables have changed since they were read."""

    class Unconditional(Plan):
        def actions(self) -> list[Any]:
            return [
                Update(each.key, each.set, each.add, each.remove)
                if isinstance(each, Update) and each.key.table in tables
                else each
                for each in super().actions()
                if not (isinstance(each, Check) and each.key.table in tables)
            ]

    return lambda: swapped((commit_module, "_Plan", Unconditional))


def instead(function: Function[..., Any], handler: Callable[..., Any]) -> AbstractContextManager[None]:
    """A registered function does something else."""
    handler.__module__ = function.handler.__module__  # a module's functions are those that it defines
    return swapped((function, "handler", handler))


# Invariant 7: nothing accepted is lost ------------------------------------------------------------------------------------


def a_sweep_without(*kinds: str) -> Switch:
    """The sweep does not look for runs of these kinds."""

    def repair(executor: Any) -> None:
        now = executor.clock.now_ms()
        for item in executor.listed(Run.by_state_lease, ("running",), now):
            fenced = item.get("readEpoch") is not None
            if ("fenced" if fenced else "silent") not in kinds:
                executor.call(item["org"], runs.settle if fenced else runs.interrupt, run_id=item["_id"])
        for item in executor.listed(Run.by_state_lease, ("pending",), now - 10_000):
            if "pending" not in kinds:
                executor.call(item["org"], runs.relaunch, run_id=item["_id"])

    repair.__module__ = runs.__name__  # a module's sweeps are its own functions
    repair.__concave_sweep__ = True  # type: ignore[attr-defined]
    return lambda: swapped((runs, "repair", repair))


def fence_without_epoch(ctx: MutationCtx, run: Run, ending: Any, reason: str) -> Run:
    """The writer is not told that its time is over."""
    if run.read_epoch is not None:
        return run
    return ctx.db.patch(run, read_epoch=run.epoch, ending=ending, reason=reason, lease_until=ctx.now)


def text_without_seal(ctx: MutationCtx, run: Run) -> tuple[str, None]:
    """The chunks that are here now; others may still come."""
    stream = ChatChunk.log(lifecycle.stream_of(run.message_id, run.epoch if run.read_epoch is None else run.read_epoch))
    return "".join(chunk.chunk for chunk in ctx.db.peek_log(stream, 500, newest=False)), None


def no_text(ctx: MutationCtx, run: Run) -> tuple[str, None]:
    """What was said before the end is not kept."""
    return "", None


def held_for_ever(ctx: QueryCtx, run_id: str, epoch: int, now: float, step: int = 0) -> str:
    """The writer looks, and never sees that its lease is to be renewed."""
    run = ctx.db.peek(Run, run_id)
    return "held" if run is not None and run.epoch == epoch and run.state == "running" else "lost"


def beat_without_renewal(ctx: MutationCtx, run_id: str, epoch: int, step: int = 0) -> bool:
    """The writer says that it is alive, and nobody writes that down."""
    run = ctx.db.get(Run, run_id)
    return run is not None and run.epoch == epoch and run.state == "running"


@internal_mutation
def end_the_run(ctx: MutationCtx, run_id: str) -> None:
    """The first half of an end: the run and its conversation."""
    run = ctx.db.get(Run, run_id)
    assert run is not None
    message = ctx.db.get(ChatMessage, run.conversation, run.sequence)
    lifecycle.finish(ctx, run, "completed", "")
    if message is not None:
        ctx.db.patch(message, content="", completed=False, status="pending")


@internal_mutation
def end_the_message(ctx: MutationCtx, run_id: str, content: str) -> None:
    """The second half: the text."""
    run = ctx.db.get(Run, run_id)
    message = ctx.db.get(ChatMessage, run.conversation, run.sequence) if run else None
    if message is not None:
        ctx.db.patch(message, content=content, completed=True, status="completed")


def end_in_two_commits(ctx: ActionCtx, run_id: str) -> None:
    """State and text are not one commit."""
    epoch = ctx.run_mutation(runs.claim, run_id=run_id)
    if epoch is not None:
        writer = Writer(ctx, run_id, epoch)
        writer.write()
        ctx.run_mutation(end_the_run, run_id=run_id)
        ctx.run_mutation(end_the_message, run_id=run_id, content=writer.chunks.text)


# Invariant 8: one active run per conversation ------------------------------------------------------------------------------


def claim_out_of_turn(ctx: MutationCtx, run_id: str) -> int | None:
    """Any pending run may be claimed."""
    run = ctx.db.get(Run, run_id)
    return None if run is None or run.state != "pending" else lifecycle.claim(ctx, run).epoch


def relaunch_out_of_turn(ctx: MutationCtx, run_id: str) -> None:
    """Any pending run is asked for again."""
    run = ctx.db.get(Run, run_id)
    conversation = ctx.db.get(Conversation, run.conversation) if run else None
    if run is not None and conversation is not None and run.state == "pending":
        lifecycle.launch(ctx, conversation, run.id)


# Invariant 9: tenancy -------------------------------------------------------------------------------------------------------


def one_document_key(table: type[Table], org: str, *ids: Any) -> Key:
    """A document's key without its org. (A log's key is its address.)"""
    return document_key(table, org if table.key else "everyone", *ids)


def one_address(index: Index, org: str, values: tuple[Any, ...]) -> str:
    """An index partition without its org."""
    return address(index, "everyone", values)


class SharedByAll(Shared):
    """One value for all orgs."""

    def get(self, sub: Any, identity: str | None, journal: str | None) -> Any:
        found = self.values.get((sub.path, sub.args, "", None, journal))
        if found is None:
            found = super().get(sub, identity, journal)
            self.values[(sub.path, sub.args, "", None, journal)] = found
        return found


class Trusting(Turn):
    """A shared value is believed without having been watched."""

    def _value(self, sub: Any, identity: str | None, shared: Shared) -> Any:
        return shared.get(sub, identity, sub.journal) if sub.watches else super()._value(sub, identity, shared)


def seen_by_anybody(user: Any, session: ChatSession | None) -> bool:
    """Who is signed in may read."""
    return user is not None and session is not None


def owned_by_anybody(ctx: MutationCtx, session_id: str, to_do: str) -> ChatSession:
    """Who is signed in may write."""
    access.signed_in(ctx, to_do)
    session = ctx.db.get(ChatSession, session_id)
    if session is None:
        raise access.not_found()
    return session


def told_that_it_is_there(ctx: MutationCtx, session_id: str, to_do: str) -> ChatSession:
    """A stranger is refused, but not as for a random name."""
    user = access.signed_in(ctx, to_do)
    session = owned_by_anybody(ctx, session_id, to_do)
    if session.user_id != user.subject:
        raise Refused("Forbidden", "Not yours")
    return session


def run_of_any_session(ctx: Any, session: ChatSession, message_id: str) -> Run | None:
    """A message of another session will do."""
    found: Run | None = ctx.db.get(Run, f"run-{message_id.removeprefix('msg-')}") if message_id.startswith("msg-") else None
    return found


def listed_by_worker(ctx: Any, worker_id: str | None) -> Any:
    """A worker's list may be walked by anybody; only what is in it is held back."""
    return ChatSession.by_worker(worker_id) if worker_id else ChatSession.by_user(ctx.user.subject)


# Invariant 10: bytes follow the change ----------------------------------------------------------------------------------------


class TellsEverything(Turn):
    """What was evaluated is told, changed or not."""

    def tell(self) -> None:
        for query_id in self.changed:
            self.queries[query_id].digest = ""
        super().tell()


whole_reply, page_of = chat.subscribe_to_chunks.handler, sessions.CHUNK_PAGE
followed = chat.follow_reply.handler


def from_the_start(ctx: Any, session_id: str, message_id: str, after: int | None = None, limit: int = page_of) -> Any:
    """The cursor is not looked at: all that there is."""
    return whole_reply(ctx, session_id, message_id, -1, 10_000)


def with_what_was_told(ctx: Any, session_id: str, message_id: str, after: int | None = None, limit: int = 1) -> Any:
    """What is new, and a page of what is known."""
    return followed(ctx, session_id, message_id, after, max(limit, page_of))


def without_pages(ctx: Any, session_id: str, message_id: str, after: int | None = None, limit: int = page_of) -> Any:
    """All that there is after the cursor."""
    return whole_reply(ctx, session_id, message_id, after, 10_000)


@contextmanager
def out_of_turn() -> Iterator[None]:
    """A waiting run is taken like an active one."""
    with instead(runs.claim, claim_out_of_turn), instead(runs.relaunch, relaunch_out_of_turn):
        yield


REPLIES: dict[str, Switch] = {
    "the sweep looks for silent writers": a_sweep_without("silent"),
    "the sweep settles what was stopped": a_sweep_without("fenced"),
    "the sweep starts what nobody claimed": a_sweep_without("pending"),
    "a stop raises the epoch": lambda: swapped((lifecycle, "fence", fence_without_epoch)),
    "the chunks are sealed when they become the text": lambda: swapped((lifecycle, "sealed", text_without_seal)),
    "the partial text is kept": lambda: swapped((lifecycle, "sealed", no_text)),
    "the end is one commit": lambda: instead(runs.generate, end_in_two_commits),
    "a writer sees that its lease is due": lambda: instead(runs.held, held_for_ever),
    "a writer renews its lease": lambda: instead(runs.beat, beat_without_renewal),
    "what a send has read is a condition of its commit": unconditional("conversations", "chatSessions", "budgets", "openReplies"),
    "the run's row is a condition of a claim": unconditional("runs"),
    "only the active run is claimed": out_of_turn,
}
TENANCY: dict[str, Switch] = {
    "the org is in a document's key": lambda: swapped(
        (tables, "document_key", one_document_key), (transaction, "document_key", one_document_key)
    ),
    "the org is in an index's address": lambda: swapped((Index, "address", one_address)),
    "the org is in a commit's id": lambda: swapped((transactor, "org_key", lambda org: "everyone")),
    "a value is shared within an org": lambda: swapped((holders, "Shared", SharedByAll), (Backend, "turn_type", Trusting)),
    "who reads is asked": lambda: swapped((access, "sees", seen_by_anybody)),
    "who writes is asked": lambda: swapped((access, "owned", owned_by_anybody)),
    "the worker is asked": lambda: swapped((access, "held", owned_by_anybody)),
    "a message is asked for its session": lambda: swapped((access, "run_of", run_of_any_session)),
    "a stranger is told what a random name is told": lambda: swapped((access, "owned", told_that_it_is_there)),
    "a worker's list is its own": lambda: swapped((sessions, "sessions_of", listed_by_worker)),
}
BYTES: dict[str, Switch] = {
    "a watcher moves its cursor": lambda: instead(chat.subscribe_to_chunks, from_the_start),
    "a follower is told what is new": lambda: instead(chat.follow_reply, with_what_was_told),
    "chunks come in pages": lambda: instead(chat.subscribe_to_chunks, without_pages),
    "what did not change is not told": lambda: swapped((Backend, "turn_type", TellsEverything)),
}


# Tools that somebody is asked about -----------------------------------------------------------------------------------------


def taken_twice(ctx: MutationCtx, run: Run) -> str | None:
    """What was kept stays for the next one, and the reply goes on waiting."""
    row = ctx.db.get(ParkedReply, f"{run.id}-{run.step}")
    return None if row is None else row.kept


go_on = runs.go_on.handler


def gone_on_with_by_all(ctx: MutationCtx, run_id: str) -> dict[str, Any] | None:
    """Whoever asks goes on."""
    found: dict[str, Any] | None = go_on(ctx, run_id)
    ctx.db.patch(Run, run_id, parked=True)
    return found


@contextmanager
def gone_on_with_twice() -> Iterator[None]:
    """That somebody goes on with a reply is not written down."""
    with swapped((activity, "unpark", taken_twice)), instead(runs.go_on, gone_on_with_by_all):
        yield


def asked_about_nothing(self: ToolUse, number: int, block: dict[str, Any]) -> dict[str, Any]:
    """No call is one that somebody is asked about."""
    return {**looked_at(self, number, block), "asks": False}


looked_at = ToolUse._call


def decided_again(ctx: MutationCtx, request: Permission, option_id: str, by: str) -> Permission:
    """The newest decision counts."""
    return decided(ctx, ctx.db.patch(request, state="open"), option_id, by)


decided = permissions.decide


def used_whatever_was_decided(self: ToolUse, call: dict[str, Any], decision: str | None) -> Any:
    """Whatever was decided, it was allowed."""
    return result_of(self, call, "allowed")


result_of = ToolUse._result


def taken_for_dead(ctx: MutationCtx, run: Run) -> None:
    """A reply that waits is ended like one whose writer died."""
    lifecycle.end_from_outside(ctx, run, "interrupted", "the writer of this reply died")


def held_under_any_step(run: Run | None, epoch: int, step: int = 0) -> bool:
    """Who has parked a reply holds it still."""
    return run is not None and (run.epoch, run.state) == (epoch, "running")


TOOLS: dict[str, Switch] = {
    "a tool waits for its decision": lambda: swapped((ToolUse, "_call", asked_about_nothing)),
    "a decision is looked at": lambda: swapped((ToolUse, "_result", used_whatever_was_decided)),
    "one writer goes on": gone_on_with_twice,
    "the first decision counts": lambda: swapped((permissions, "decide", decided_again)),
    "what waits is not taken for dead": lambda: swapped((permissions, "revive", taken_for_dead)),
    "who has parked a reply writes no more of it": lambda: swapped((lifecycle, "is_held", held_under_any_step)),
}
