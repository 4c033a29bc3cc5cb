"""One trace shows a request's whole walk: frame, commit, what the stream tells others, posts, the reply's function, the model."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from chalicelib.aws.spans import Spans
from chalicelib.data import trace
from chalicelib.data.trace import Span
from chalicelib.settings import Settings
from infra.local.stack import Stack
from tests.support.bench_client import Client


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A server whose sockets are rows, as on Lambda."""
    made = Stack(Settings(data_dir=tmp_path_factory.mktemp("traces"), port=0, identity_wait_ms=0, live="rows"))
    made.start()
    yield made
    made.stop()


def _paths(spans: list[Span]) -> dict[str, set[tuple[str, ...]]]:
    """By trace: the names from the top to each span."""
    by_id = {(each.trace, each.id): each for each in spans}

    def names(span: Span | None) -> tuple[str, ...]:
        return () if span is None else (*names(by_id.get((span.trace, span.parent))), span.name)

    found: dict[str, set[tuple[str, ...]]] = {}
    for each in spans:
        found.setdefault(each.trace, set()).add(names(each))
    return found


def test_a_message_and_its_reply_are_one_trace_with_every_step_below_what_it_follows_from(stack: Stack) -> None:
    seen: list[Span] = []
    author, watcher = (Client(stack.url, stack.issuer.token("alice", "acme")) for _ in range(2))
    session = author.mutation("chat:startSession", {})
    watcher.subscribe("chat:subscribeToMessages", {"sessionId": session})
    frame = ("ws_message",)
    commit = (*frame, "commit")
    wanted = {frame, commit, (*commit, "tell"), (*commit, "tell", "post"), (*commit, "generate"), (*commit, "generate", "model")}
    told = threading.Event()

    def take(span: Span) -> None:
        seen.append(span)
        if any(wanted <= paths for paths in _paths(list(seen)).values()):
            told.set()

    with trace.listening(take):
        author.mutation("chat:sendMessage", {"sessionId": session, "content": "/say hello"})
        whole = told.wait(30)
    author.close()
    watcher.close()
    paths = _paths(seen)
    assert whole, sorted(path for each in paths.values() for path in each)
    assert all(each.started <= each.ended and (len(each.trace), len(each.id)) == (32, 16) for each in seen)


def test_what_tells_of_two_commits_stands_in_the_traces_of_both() -> None:
    seen: list[Span] = []
    with trace.listening(seen.append), trace.following([("r1", "c1"), ("r2", "c2")]), trace.step("tell"), trace.step("post"):
        pass
    assert {(each.trace, each.name) for each in seen} == {
        (trace.trace_of(request), name) for request in ("r1", "r2") for name in ("tell", "post")
    }
    above = {each.name: each.parent for each in seen if each.trace == trace.trace_of("r1")}
    assert above["tell"] == trace.span_of("c1")
    assert above["post"] == next(each.id for each in seen if (each.trace, each.name) == (trace.trace_of("r1"), "tell"))


def test_where_nobody_listens_no_step_is_made_and_no_job_carries_anything() -> None:
    seen: list[Span] = []
    with trace.listening(seen.append):
        pass
    with trace.tracing("r1"), trace.step("frame"):
        trace.over("commit", trace.moment())
        assert (trace.moment(), trace.told_on("c1")) == (0, {})
    assert seen == []


@contextmanager
def _collector() -> Iterator[tuple[str, list[Any]]]:
    heard: list[Any] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append((self.path, json.loads(self.rfile.read(int(self.headers["content-length"])))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1/traces", heard
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_an_invocations_spans_go_to_the_collector_in_opentelemetrys_form() -> None:
    with _collector() as (url, heard):
        spans = Spans(url, "concave-dev-api")
        with trace.listening(spans.take), trace.tracing("r1"), trace.step("api"):
            trace.over("commit", trace.moment(), span_id=trace.span_of("c1"))
        spans.flush()
        spans.flush()
    ((path, told),) = heard
    (resource,) = told["resourceSpans"]
    assert (path, resource["resource"]["attributes"][0]["value"]) == ("/v1/traces", {"stringValue": "concave-dev-api"})
    commit, frame = resource["scopeSpans"][0]["spans"]
    assert (commit["name"], commit["spanId"], commit["traceId"]) == ("commit", trace.span_of("c1"), trace.trace_of("r1"))
    assert (commit["parentSpanId"], frame["parentSpanId"]) == (frame["spanId"], "")
    assert int(frame["startTimeUnixNano"]) <= int(commit["endTimeUnixNano"])


def test_a_collector_that_is_away_is_asked_once_and_fails_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with _collector() as (url, heard):
        pass
    spans = Spans(url, "concave-dev-api")
    for _ in range(3):
        spans.take(Span("t" * 32, "s" * 16, "", "api", 1, 2))
        spans.flush()
    assert (heard, len(caplog.records)) == ([], 1)
