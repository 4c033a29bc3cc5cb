"""Upkeep of the data of a server that runs: `POST /_/admin {command, arguments}` with an operator's key of the role edit.

It does what the operator's command line does to a file that nobody has open (`infra/admin`), on the backend of this process, and
answers when it is through: `{"lines": […], "well": true}`. Each command is written down before it begins.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

from chalicelib.data import values
from chalicelib.data.building import SYSTEM_ORG
from chalicelib.data.errors import BadRequest, Conflict, StoreFailed
from chalicelib.runtime.contexts import ANONYMOUS_ORG
from chalicelib.runtime.keys import AuthFailed
from chalicelib.runtime.operators import Operators
from infra.admin.transfer import items
from infra.local.aws.shapes import Request
from infra.local.routes import Answer

PATH = "/_/admin"


class Administration:
    """Answers `/_/admin`.

    Args:
        operators: checks keys.
    """

    def __init__(self, operators: Operators) -> None:
        self._operators = operators

    def wants(self, request: Request) -> bool:
        """Whether this request is for it."""
        return request.path == PATH

    def answer(self, request: Request) -> Answer:
        """Do a command; this may take minutes, so call it in a thread of its own."""
        scheme, _, key = (request.header("authorization") or "").partition(" ")
        try:
            if scheme.lower() != "convex":
                raise AuthFailed("This is for operators: send `Authorization: Convex` and a key.")
            user = self._operators.by_header(key.strip())
        except AuthFailed as error:
            return Answer.error(401, "Unauthenticated", error.message)
        if request.method != "POST":
            return Answer.error(405, "MethodNotAllowed", f"{PATH} takes POST.")
        if user.operator_role != "edit":
            return Answer.error(403, "ReadOnlyKey", "This key may only read; a key of the role edit is needed.")
        try:
            asked = json.loads(request.body)
            command, arguments = asked["command"], asked.get("arguments", {})
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            command = arguments = None
        if not isinstance(command, str) or not isinstance(arguments, dict):
            return Answer.error(400, "BadRequest", 'POST {"command": "indexes", "arguments": {"audit": true}}.')
        try:
            return Answer.json(200, _done(user, command, arguments))
        except BadRequest as error:
            return Answer.error(400, error.tag, error.message)
        except (Conflict, StoreFailed) as error:
            return Answer.error(503, "Overloaded", f"The store did not go along: {error}. The command can be given again.")


def _done(user: Any, command: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Run a command on the backend of now, by code of now: a reload has exchanged the tables' classes."""
    for name in [each for each in sys.modules if each.startswith("infra.admin")]:
        del sys.modules[name]
    upkeep = importlib.import_module("infra.admin.upkeep")
    backend = importlib.import_module("chalicelib.wiring").backend()
    found = upkeep.run(backend, command, arguments)

    def note(run: Any) -> str:
        audited = importlib.import_module("chalicelib.runtime.operators").audited
        audited(run.db, user, f"admin:{command}", arguments, run.now)
        return values.dumps(None)

    backend.executor.transact(SYSTEM_ORG, "admin", note)
    lines = list(found)
    if command == "erase":
        _closed(backend, arguments["org"])
    return {"lines": [line.told for line in lines], "well": all(line.well for line in lines)}


def _closed(backend: Any, org: str) -> None:
    """End the sockets of an org that was erased: their clients come back, and are told what there is."""
    if backend.owner is not None:
        known = [(socket.id, socket.user) for socket in list(backend.owner.held.sockets.values())]
    else:
        known = [(str(row["pk"]), row.get("user")) for row in items(backend.store, "mailboxes")]
    for connection, user in known:
        if (json.loads(user)["org"] if user else ANONYMOUS_ORG) == org:
            backend.driver.close(connection)
