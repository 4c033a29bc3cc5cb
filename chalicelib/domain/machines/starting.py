"""A session on a worker: where its agent works, which agent it is, and what becomes of messages while it is away."""

from __future__ import annotations

import posixpath
from typing import Any, Literal

from chalicelib import MutationCtx, Refused
from chalicelib.domain import access
from chalicelib.schema import ChatSession, Worker

OnOffline = Literal["wait", "reject"]


def checked(
    ctx: MutationCtx, user: Any, worker_id: str, directory: str | None, agent: str | None, on_offline: OnOffline
) -> dict[str, Any]:
    """What a session on a worker is opened with.

    Raises:
        Refused: WorkerNotFound, WorkerOffline, DirectoryNotAllowed, AgentNotFound.
    """
    worker = access.check_worker(ctx, user, worker_id)
    if worker is not None:
        check_online(worker, on_offline)
        if directory is not None:
            directory = _allowed(worker, directory)
        if agent is not None and agent not in [each["kind"] for each in worker.agents]:
            has = ", ".join(each["kind"] for each in worker.agents) or "none"
            raise Refused("AgentNotFound", f"This worker has no agent {agent!r}; it has {has}.", field="agent")
    return {"directory": directory, "agent": agent, "on_offline": on_offline}


def check_online(worker: Worker | None, on_offline: OnOffline) -> None:
    """Whether a message may be left with a worker now. Raises `Refused`: WorkerOffline."""
    if worker is not None and worker.status == "offline" and on_offline == "reject":
        raise Refused("WorkerOffline", "Worker is not online")


def check_send(ctx: MutationCtx, session: ChatSession) -> None:
    """The same, for a session that may not wait. Raises `Refused`: WorkerOffline."""
    if session.on_offline == "reject" and session.worker_id is not None:
        check_online(ctx.db.get(Worker, session.worker_id), "reject")


def _allowed(worker: Worker, directory: str) -> str:
    """A folder inside one of those that the worker opens. The worker itself looks again, links and all."""
    wanted = posixpath.normpath(directory)
    inside = any(wanted == root or wanted.startswith(root.rstrip("/") + "/") for root in map(posixpath.normpath, worker.dirs))
    if not posixpath.isabs(wanted) or not inside:
        raise Refused(
            "DirectoryNotAllowed",
            f"directory: an absolute path inside one of {', '.join(worker.dirs) or 'no folder: this worker opens none'}.",
            field="directory",
        )
    return wanted
