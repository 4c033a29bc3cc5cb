"""The words of chat sockets: events as JSON frames, acknowledgements and faults (a dialect, as `live/dialect.py` says)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from chalicelib.data import mount, values
from chalicelib.data.json_text import whole
from chalicelib.doors.all_events import EVENTS
from chalicelib.doors.event_rows import Row
from chalicelib.live.messages import Failure, Version
from chalicelib.live.session import Answer, State, Told
from chalicelib.live.value import Value

OPEN = mount.path("gateway:open")
"""The call that opens a socket: its result is the first thing that is told."""
SIGN_IN_MS = 45_000
"""Who has not said by then who they are is closed."""


class Events:
    """Events as JSON frames: `{event, data, offset?}`, and `{event: "ack", id, data}`."""

    ping = '{"event":"ping"}'
    only_pings_count = False

    def modification(self, query_id: int, value: Value) -> str:
        """The feed's value as it is; the query's number goes with it."""
        if value.failure is None:
            return f'{{"query":{query_id},"value":{value.text}}}'
        return json.dumps({"query": query_id, "failure": problem(value.failure)})

    def removed(self, query_id: int) -> str:
        """Nothing: nobody unsubscribes here."""
        return json.dumps({"query": query_id})

    def compose(self, told: Version, state: State, answers: Iterable[Answer], modifications: list[str], now_ns: int) -> Told:
        """Acknowledgements first, then what has happened."""
        state = replace(state, version=state.version._replace(ts=max(now_ns, told.ts + 1)), owed=False)
        said = Told(self.hello(told), state, [])
        close = ""
        for answer in sorted(answers, key=lambda one: one.request_id):
            close = close or self._answer(said.posts, answer)
        if told.identity == 0 and state.version.identity == 0 and now_ns // 1_000_000 - state.opened > SIGN_IN_MS:
            close = close or "nobody signed in"
        again: set[int] = set()
        for text in modifications:
            change = json.loads(text)
            close = close or self._happened(said, change, now_ns // 1_000_000)
            if change.get("value", {}).get("more"):
                again.add(change["query"])
        return replace(said, again=frozenset(again), close=close)

    def _answer(self, posts: list[str], answer: Answer) -> str:
        """Tell an answer. Returns why the connection ends, if it does."""
        note = json.loads(answer.note or "{}")
        failed = problem(answer.failure) if answer.failure is not None else None
        if note.get("event") == OPEN:
            return self.opened(posts, note, values.clean(values.loads(answer.result)), failed)
        row = EVENTS.get(str(note.get("event")), Row(""))
        ack = note.get("ack")
        result: Any = None if failed is not None else values.clean(values.loads(answer.result))
        if row.missing and result is None and failed is None:
            failed = {"code": row.missing, "error": "Not found"}
        request = {"requestId": note["requestId"]} if "requestId" in note else {}
        if row.responds and failed is not None:
            posts.append(self.event(row.response(note["event"]), {**request, "error": failed}))
        if failed is not None:
            if ack is not None:
                posts.append(self.ack(ack, {"success": False, **failed}))
            if not row.responds and (ack is None or row.failed != "error"):
                posts.append(self.event(row.failed, {"event": note.get("event"), **failed}))
            return ""
        if row.responds:
            result = {row.wrap: result} if row.wrap else result
            posts.append(self.event(row.response(note["event"]), {**request, **result}))
        if row.sent is not None:
            posts.append(self.event(row.sent[0], result[row.sent[1]] if row.sent[1] else result))
        if ack is not None:
            plain = result if isinstance(result, dict) else {} if result is None else {row.empty: result}
            posts.append(self.ack(ack, {"success": True, **plain}))
        return ""

    def _happened(self, said: Told, change: dict[str, Any], now_ms: int) -> str:
        """Tell what a feed says. Returns why the connection ends, if it does."""
        if "failure" in change:
            said.posts.append(self.event("error", change["failure"]))
        if "value" not in change:
            return ""
        feed = values.clean(values.decode(change["value"]))
        for each in feed["events"]:
            if each["event"] == "presence:update":
                each["data"].setdefault("timestamp", now_ms)
            said.posts.append(self.event(each["event"], each["data"], each.get("offset")))
        said.moved[change["query"]] = json.dumps([feed["next"]], sort_keys=True)
        if "close" in feed:
            said.posts.append(self.event("error", {"code": "Unauthorized", "error": feed["close"]}))
            return str(feed["close"])
        return ""

    def hello(self, told: Version) -> list[str]:
        """What is said before anything else."""
        return []

    def opened(self, posts: list[str], note: dict[str, Any], result: Any, failed: dict[str, Any] | None) -> str:
        """The socket is open, or refused."""
        if failed is not None:
            posts.append(self.event("error", failed))
            return f"refused: {failed['error']}"
        posts.append(self.event("connection:ready", result, result.get("offset")))
        return ""

    def event(self, name: str, data: Any, offset: str | None = None) -> str:
        """One event as a message."""
        told = {"event": name, "data": data}
        return whole(json.dumps(told if offset is None else {**told, "offset": offset}, ensure_ascii=False))

    def ack(self, ack: str | int, data: Any) -> str:
        """One acknowledgement as a message."""
        return whole(json.dumps({"event": "ack", "id": ack, "data": data}, ensure_ascii=False))

    def fault(self, error: str) -> str:
        """An error event."""
        return self.event("error", {"code": "BadFrame", "error": error})

    def refused(self, error: str, base_version: int, attempted: bool) -> str:
        """The token is not accepted, or over."""
        return self.event("error", {"code": "Unauthorized", "error": error})


def problem(failure: Failure) -> dict[str, Any]:
    """A failure as clients of events get it: `error` is the sentence, `code` the stable word."""
    if failure.data is not None:
        data = values.clean(values.loads(failure.data))
        if isinstance(data, dict) and "message" in data:
            return {**{name: part for name, part in data.items() if name != "message"}, "error": data["message"]}
    lines = failure.message.split("\n")
    said = "\n".join(lines[1:]) if lines[0].startswith("[Request ID") and len(lines) > 1 else failure.message
    code = said.partition(":")[0] if said.startswith(("ArgumentValidationError:", "ResultTooLarge:")) else "BadRequest"
    if said.startswith(("[Request ID", "Uncaught ")):  # nobody refused anything: a fault of ours, whose words only developers see
        code = "InternalServerError"
    return {"code": code, "error": said}
