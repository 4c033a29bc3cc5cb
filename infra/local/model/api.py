"""What the scripted model answers to which request: the paths of the Messages API."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from typing import Any, Protocol

from infra.local.model import answers as model_answers
from infra.local.model import wire as model_wire
from infra.local.model.events import Part, content_of, message
from infra.local.model.http import Call, Recorded
from infra.local.model.prompt import PromptCache, prompt_tokens
from infra.local.model.script import STATUS_FAULTS, Script, parse
from infra.local.model.stream import Pace, Stream, compose
from infra.local.model.wire import BadModelRequest

MODELS = ("claude-sonnet-5-5", "claude-opus-5-5", "claude-haiku-5-5")


class Host(Protocol):
    """The model behind the sockets: what it remembers from one request to the next."""

    pace: Pace
    cache: PromptCache
    stopping: threading.Event

    def record(self, request: Recorded) -> None:
        """A request arrived."""

    def acts_up(self, script: Script, body: Mapping[str, Any]) -> bool:
        """Whether this request gets its ordered fault."""


class Api:
    """`/v1/messages`, `/v1/messages/count_tokens` and `/v1/models`, with or without `?beta=true`; anything else is 404."""

    def __init__(self, model: Host) -> None:
        self._model = model

    def answer(self, call: Call) -> None:
        """Answer one request."""
        self._model.record(call.recorded)
        if call.refused is not None:
            kind = "request_too_large" if call.refused.status == 413 else "invalid_request_error"
            text = "Request exceeds the maximum size" if call.refused.status == 413 else "the request cannot be read"
            _error(call, call.refused.status, kind, text)
            return
        try:
            self._routed(call, call.recorded.method, call.recorded.path)
        except BadModelRequest as bad:
            _error(call, bad.status, bad.kind, bad.message)

    def _routed(self, call: Call, method: str, path: str) -> None:
        if method == "GET":
            self._models(call, path)
            return
        model_wire.check_headers(call.recorded.headers)
        if (method, path) == ("POST", "/v1/messages/count_tokens"):
            call.json(200, {"input_tokens": prompt_tokens(model_wire.check_body(call.recorded.body, counting=True))})
        elif (method, path) == ("POST", "/v1/messages"):
            self._messages(call, model_wire.check_body(call.recorded.body))
        else:
            raise BadModelRequest("Not found", 404, "not_found_error")

    def _models(self, call: Call, path: str) -> None:
        name = path.removeprefix("/v1/models/")
        if path == "/v1/models":
            models = [_described(each) for each in MODELS]
            call.json(200, {"data": models, "has_more": False, "first_id": MODELS[0], "last_id": MODELS[-1]})
        elif name in MODELS:
            call.json(200, _described(name))
        else:
            raise BadModelRequest("Not found", 404, "not_found_error")

    def _messages(self, call: Call, body: dict[str, Any]) -> None:
        model = self._model
        script = parse(model_answers.last_words(body))
        call.wait(script.silent_s)
        faulty = model.acts_up(script, body)
        if faulty and script.fault in STATUS_FAULTS:
            status, kind, text = STATUS_FAULTS[script.fault]
            wait = {} if script.retry_after is None else {"retry-after": f"{script.retry_after:g}"}
            _error(call, status, kind, text, wait)
            return
        parts, reason = compose(body, script)
        fault = script.fault if faulty and script.fault != "empty" else None
        if body.get("stream"):
            Stream(call, body, script, fault).run(parts, reason, model.pace, model.cache.price(body))
        else:
            call.wait(script.slow_s)
            self._whole(call, body, parts, "refusal" if fault == "refusal" else reason, fault)

    def _whole(self, call: Call, body: dict[str, Any], parts: list[Part], reason: str, fault: str | None) -> None:
        """The answer to a request that does not stream; a fault of streams cuts it off in the middle."""
        spoken = sum(len(part.chunks) for part in parts)
        cost = self._model.cache.price(body).fields() | {"output_tokens": spoken}
        said = message(body["model"], content_of(parts), reason, cost)
        if fault in (None, "refusal"):
            call.json(200, said)
        elif fault == "midstream":
            _error(call, 529, "overloaded_error", "Overloaded")
        else:
            data = json.dumps(said).encode()
            call.head(200, {"content-type": "application/json", "content-length": str(len(data))})
            call.write(data[: len(data) // 2])
            call.break_off(fault if fault in ("stall", "reset") else None)


def _error(call: Call, status: int, kind: str, text: str, headers: Mapping[str, str] | None = None) -> None:
    call.json(status, model_wire.error_body(kind, text, call.request_id), headers)


def _described(name: str) -> dict[str, Any]:
    title = name.replace("-", " ").title()
    return {"type": "model", "id": name, "display_name": title, "created_at": "2026-01-01T00:00:00Z", "lifecycle": "active"}
