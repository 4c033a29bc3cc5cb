"""The HTTP door's own rules, on a scripted executor: who is to blame, in which shape, and what reaches a function."""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from chalicelib.data import values
from chalicelib.data.errors import Conflict, StoreFailed
from chalicelib.doors.http import MAX_BODY_BYTES, HttpRequest, HttpResponse, handle
from chalicelib.runtime.admission import Admission
from chalicelib.runtime.errors import FunctionError
from chalicelib.runtime.identity import AuthFailed, User
from chalicelib.runtime.outcome import Outcome
from chalicelib.runtime.registry import Function, Kind, Registry
from chalicelib.settings import VERSION, Settings

ALICE = User("alice", "https://issuer.test", "acme")
EXACT = "convex_encoded_json"


def success(value: Any, *lines: str) -> Outcome:
    return Outcome(True, values.dumps(values.encode(value)), log_lines=list(lines))


@dataclass
class Script:
    """An executor that answers as told and notes what it was asked."""

    answer: Callable[[], Outcome] = lambda: success(None)
    calls: list[tuple[Any, ...]] = field(default_factory=list)

    def query(self, path: str, args: dict[str, Any], user: User | None) -> Outcome:
        self.calls.append(("query", path, args, user))
        return self.answer()

    def mutation(self, path: str, args: dict[str, Any], user: User | None, key: str | None) -> Outcome:
        self.calls.append(("mutation", path, args, user, key))
        return self.answer()

    def action(self, path: str, args: dict[str, Any], user: User | None) -> Outcome:
        self.calls.append(("action", path, args, user))
        return self.answer()


@dataclass
class Guard:
    def verify(self, token: str) -> User:
        if token != "alice's":
            raise AuthFailed("The token has expired.", "IssuerUnavailable" if token == "away" else "ExpiredToken")
        return ALICE


@dataclass
class Clock:
    def now_ns(self) -> int:
        return 1_800_000_000_123_456_789

    def now_ms(self) -> int:
        return 1_800_000_000_123

    def sleep(self, seconds: float) -> None:
        """Nothing waits here."""


@dataclass
class Backend:
    executor: Script = field(default_factory=Script)
    registry: Registry = field(default_factory=Registry)
    verifier: Guard = field(default_factory=Guard)
    clock: Clock = field(default_factory=Clock)
    settings: Settings = field(default_factory=Settings)
    admission: Admission = field(default_factory=lambda: Admission(0, Clock()))


def answering(answer: Outcome | Exception) -> Backend:
    def give() -> Outcome:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return Backend(Script(give))


def post(b: Backend, path: str, body: Any = None, **headers: str) -> HttpResponse:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return handle(
        b, HttpRequest("POST", path, headers={name.replace("_", "-"): text for name, text in headers.items()}, body=raw)
    )


def get(b: Backend, address: str, **query: str) -> HttpResponse:
    return handle(b, HttpRequest("GET", address, query))


def refused(response: HttpResponse) -> tuple[int, str]:
    body = json.loads(response.body)
    assert body.keys() == {"code", "message"}
    assert body["message"]
    return response.status, body["code"]


@pytest.mark.parametrize("kind", ["query", "mutation", "action"])
def test_a_function_is_called_with_its_arguments_and_its_caller(kind: Kind) -> None:
    b = answering(success({"n": 1.0}, "[LOG] 'hi'"))
    response = post(b, f"/api/{kind}", {"path": "notes:go", "args": {"a": 1}}, authorization="Bearer alice's")
    assert (response.status, response.headers["content-type"]) == (200, "application/json")
    assert json.loads(response.body) == {"status": "success", "value": {"n": 1.0}, "logLines": ["[LOG] 'hi'"]}
    assert b.executor.calls == [(kind, "notes:go", {"a": 1.0}, ALICE, *([None] if kind == "mutation" else []))]


def test_arguments_come_as_an_object_or_as_a_list_of_one() -> None:
    for args in ({"a": 1}, [{"a": 1}]):
        b = Backend()
        assert post(b, "/api/query", {"path": "m:f", "format": EXACT, "args": args}).status == 200
        assert b.executor.calls == [("query", "m:f", {"a": 1.0}, None)]


def test_encoded_arguments_are_decoded_in_both_formats() -> None:
    for form in ("json", EXACT):
        b = Backend()
        post(
            b,
            "/api/query",
            {"path": "m:f", "format": form, "args": {"n": values.encode(values.Int64(7)), "b": {"$bytes": "AAE="}}},
        )
        assert b.executor.calls[0][2] == {"n": values.Int64(7), "b": b"\x00\x01"}


def test_the_encoded_format_is_exact_and_the_plain_one_is_for_people() -> None:
    b = answering(success({"n": values.Int64(7), "f": float("inf"), "b": b"\x00\x01"}))
    exact = json.loads(post(b, "/api/query", {"path": "m:f", "format": EXACT, "args": {}}).body)["value"]
    assert exact["n"] == {"$integer": base64.b64encode((7).to_bytes(8, "little")).decode()}
    assert exact["b"] == {"$bytes": "AAE="}
    assert exact["f"].keys() == {"$float"}
    plain = json.loads(post(b, "/api/query", {"path": "m:f", "args": {}}).body)["value"]
    assert (plain["n"], plain["b"]) == ("7", "AAE=")


def test_a_function_error_is_http_200_with_its_message() -> None:
    b = answering(Outcome(False, error=FunctionError("[Request ID: 0] Server Error"), log_lines=["[LOG] 1"]))
    response = post(b, "/api/mutation", {"path": "m:f", "args": {}})
    assert response.status == 200
    assert json.loads(response.body) == {
        "status": "error",
        "errorMessage": "[Request ID: 0] Server Error",
        "logLines": ["[LOG] 1"],
    }


def test_error_data_is_there_for_a_refusal_only_and_may_be_null() -> None:
    for data in (None, {"code": "SessionNotFound", "n": values.Int64(1)}):
        b = answering(Outcome(False, error=FunctionError("no", data, True)))
        body = json.loads(post(b, "/api/query", {"path": "m:f", "format": EXACT, "args": {}}).body)
        assert body["errorData"] == values.encode(data)


def test_a_query_can_be_got() -> None:
    b = answering(success(3.0))
    response = get(b, "/api/query", path="m:f", args='{"a":1}', format="json")
    assert json.loads(response.body)["value"] == 3.0
    assert b.executor.calls == [("query", "m:f", {"a": 1.0}, None)]
    assert get(b, "/api/query", path="m:f").status == 200
    assert refused(get(b, "/api/query", path="m:f", args="{")) == (400, "BadJsonBody")


def go(ctx: Any, a: float) -> None:
    """A function to be found."""


@pytest.mark.parametrize("kind", ["query", "mutation", "action"])
def test_run_calls_whatever_kind_the_path_names(kind: Kind) -> None:
    b = Backend()
    b.registry.add(Function(go, kind, True, {}), "dir/notes")
    assert post(b, "/api/run/dir/notes/go", {"args": {"a": 1}}).status == 200
    assert b.executor.calls[0][:3] == (kind, "dir/notes:go", {"a": 1.0})


def test_run_needs_no_body_and_leaves_an_unknown_function_to_the_executor() -> None:
    b = Backend()
    assert post(b, "/api/run/notes/nothing", b"").status == 200
    assert b.executor.calls == [("query", "notes:nothing", {}, None)]


def test_a_batch_answers_each_query() -> None:
    b = answering(success(1.0))
    response = post(b, "/api/query_batch", {"queries": [{"path": "m:f", "args": {}}, {"path": "m:g", "args": [{}]}]})
    assert [result["status"] for result in json.loads(response.body)["results"]] == ["success", "success"]
    assert [call[1] for call in b.executor.calls] == ["m:f", "m:g"]
    assert refused(post(b, "/api/query_batch", {"queries": [{"path": "m:f"}] * 101})) == (400, "TooManyQueries")
    assert refused(post(b, "/api/query_batch", {"queries": ["m:f"]})) == (400, "BadRequest")


def test_query_ts_is_now() -> None:
    ts = json.loads(post(Backend(), "/api/query_ts", b"").body)["ts"]
    assert int.from_bytes(base64.b64decode(ts), "little") == 1_800_000_000_123_456_789


def test_a_query_at_a_timestamp_is_answered_at_or_after_it() -> None:
    b = answering(success(7.0))
    ts = json.loads(post(b, "/api/query_ts", b"").body)["ts"]
    assert json.loads(post(b, "/api/query_at_ts", {"path": "m:f", "args": [{}], "ts": ts}).body)["value"] == 7.0
    late = base64.b64encode((2**62).to_bytes(8, "little")).decode()
    for bad in (late, None, 7):
        assert refused(post(b, "/api/query_at_ts", {"path": "m:f", "args": {}, "ts": bad})) == (400, "BadTimestamp")
    for bad in ("", "AAAA", "?"):
        assert refused(post(b, "/api/query_at_ts", {"path": "m:f", "args": {}, "ts": bad}))[0] == 400


def test_the_small_addresses_answer() -> None:
    b = Backend()
    assert get(b, "/version").body == VERSION
    assert get(b, "/instance_name").body == "concave-local"
    assert "Concave" in get(b, "/").body
    assert post(b, "/api/debug_event", {"event": "x"}).status == 200
    assert handle(b, HttpRequest("HEAD", "/version")) == get(b, "/version"), (
        "the server in front sends the length of the body only"
    )


@pytest.mark.parametrize("path", ["/api/storage/upload", "/api/storage/x", "/http/x"])
def test_what_is_not_here_says_so(path: str) -> None:
    assert refused(post(Backend(), path, {})) == (400, "NotSupported")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "BadJsonBody"),
        (b"{", "BadJsonBody"),
        (b"\xff", "BadJsonBody"),
        (b"[]", "BadJsonBody"),
        (b'{"path":"m:f","args":{"x":NaN}}', "BadJsonBody"),
        (b'{"path":"m:f","args":' + b"[" * 100_000, "BadJsonBody"),
        ({"args": {}}, "BadConvexFunctionIdentifier"),
        ({"path": 7, "args": {}}, "BadConvexFunctionIdentifier"),
        ({"path": "m" * 513, "args": {}}, "BadConvexFunctionIdentifier"),
        ({"path": "m:f", "args": None}, "BadArguments"),
        ({"path": "m:f", "args": []}, "BadArguments"),
        ({"path": "m:f", "args": [{}, {}]}, "BadArguments"),
        ({"path": "m:f", "args": {"$integer": "AAAAAAAAAAA="}}, "BadArguments"),
        ({"path": "m:f", "args": {}, "format": "xml"}, "BadFormat"),
    ],
)
def test_a_bad_request_is_refused_before_anything_runs(body: Any, code: str) -> None:
    b = Backend()
    assert refused(post(b, "/api/mutation", body)) == (400, code)
    assert b.executor.calls == []


def test_a_malformed_value_is_a_bad_request() -> None:
    b = Backend()
    status, _ = refused(post(b, "/api/mutation", {"path": "m:f", "args": {"n": {"$integer": "?"}}}))
    assert (status, b.executor.calls) == (400, [])


def test_a_body_over_the_limit_is_413() -> None:
    filler = b'{"path":"m:f","args":{"t":"%s"}}'
    fits = filler % (b"x" * (MAX_BODY_BYTES - len(filler) + 2))
    assert len(fits) == MAX_BODY_BYTES
    assert post(Backend(), "/api/query", fits).status == 200
    assert refused(post(Backend(), "/api/query", fits + b" ")) == (413, "BodyTooLarge")


def test_unknown_paths_and_methods_are_named() -> None:
    assert refused(post(Backend(), "/api/nothing", {})) == (404, "NotFound")
    response = get(Backend(), "/api/mutation")
    assert refused(response) == (405, "MethodNotAllowed")
    assert response.headers["allow"] == "POST"


@pytest.mark.parametrize("header", ["Bearer stale", "Bearer", "Bearer ", "alice's", ""])
def test_a_bad_authorization_is_401_and_nothing_runs(header: str) -> None:
    b = Backend()
    response = post(b, "/api/mutation", {"path": "m:f", "args": {}}, authorization=header)
    assert refused(response) == (401, "Unauthenticated")
    assert response.headers["www-authenticate"] == "Bearer"
    assert b.executor.calls == []


def test_an_issuer_that_is_away_is_not_the_callers_fault() -> None:
    response = post(Backend(), "/api/query", {"path": "m:f", "args": {}}, authorization="Bearer away")
    assert refused(response) == (503, "IssuerUnavailable")


@pytest.mark.parametrize("error", [Conflict("notes"), StoreFailed("lost")])
def test_a_busy_store_is_503_and_may_be_tried_again(error: Exception) -> None:
    response = post(answering(error), "/api/query", {"path": "m:f", "args": {}})
    assert refused(response) == (503, "Overloaded")
    assert response.headers["retry-after"] == "1"


def test_a_fault_of_ours_is_500_without_its_words(caplog: pytest.LogCaptureFixture) -> None:
    response = post(answering(RuntimeError("secret")), "/api/query", {"path": "m:f", "args": {}})
    assert refused(response) == (500, "InternalServerError")
    assert "secret" not in response.body
    assert "secret" in caplog.text


def test_a_preflight_mirrors_what_the_browser_asks() -> None:
    headers = {"origin": "https://page.test", "access-control-request-headers": "content-type,convex-client"}
    response = handle(Backend(), HttpRequest("OPTIONS", "/api/query", headers=headers))
    assert (response.status, response.body) == (204, "")
    assert response.headers["access-control-allow-origin"] == "https://page.test"
    assert response.headers["access-control-allow-headers"] == "content-type,convex-client"
    assert response.headers["access-control-allow-credentials"] == "true"
    assert response.headers["access-control-max-age"] == "86400"
    assert "POST" in response.headers["access-control-allow-methods"]


def test_every_answer_carries_the_origin_errors_included() -> None:
    for response in (
        post(Backend(), "/api/query", {"path": "m:f", "args": {}}, origin="https://page.test"),
        post(Backend(), "/api/query", b"{", origin="https://page.test"),
        post(answering(RuntimeError("x")), "/api/query", {"path": "m:f", "args": {}}, origin="https://page.test"),
    ):
        assert response.headers["access-control-allow-origin"] == "https://page.test"
        assert response.headers["vary"] == "Origin"
    assert "access-control-allow-origin" not in post(Backend(), "/api/query", {"path": "m:f", "args": {}}).headers


def test_answers_are_never_cached() -> None:
    assert get(Backend(), "/api/query", path="m:f").headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/api/query/", "//api/query", "/api//query//"])
def test_a_slash_at_the_end_or_twice_makes_no_other_path(path: str) -> None:
    assert post(answering(success(1.0)), path, {"path": "m:f", "args": {}}).status == 200


DEEP = b'{"path":"m:f","args":{"x":' + b"[" * 1000 + b"]" * 1000 + b"}}"


@pytest.mark.parametrize("body", [DEEP, b'{"path":"m:f","args":{"x":' + b"7" * 400 + b"}}", b'{"x":' + b"7" * 4400 + b"}"])
@pytest.mark.parametrize("path", ["/api/query", "/api/mutation", "/api/action", "/api/query_batch", "/api/run/m/f"])
def test_a_body_that_no_parser_should_read_is_a_typed_refusal(path: str, body: bytes) -> None:
    response = post(Backend(), path, body)
    assert refused(response) == (400, "BadJsonBody")
    assert "cannot be read: " in response.body


def test_an_error_with_half_a_surrogate_is_told_with_a_replacement() -> None:
    for form in ("json", EXACT):
        b = answering(
            Outcome(False, error=FunctionError("cut \ud83d", {"m": ["\ud83d\ude00 \ude00"]}, True), log_lines=["\ud83d"])
        )
        body = json.loads(post(b, "/api/query", {"path": "m:f", "format": form, "args": {}}).body)
        assert body["errorMessage"] == "cut \ufffd"
        assert body["errorData"] == {"m": ["\U0001f600 \ufffd"]}
        assert body["logLines"] == ["\ufffd"]


def test_a_caller_beyond_the_rate_is_told_when_to_come_again_and_others_are_served() -> None:
    b = answering(success(1.0))
    b.admission = Admission(1, Clock())
    body = {"path": "m:f", "args": {}}
    statuses = [post(b, "/api/query", body, authorization="Bearer alice's").status for _ in range(6)]
    assert statuses == [200] * 5 + [429]
    refusal = post(b, "/api/query", body, authorization="Bearer alice's")
    assert refused(refusal) == (429, "RateLimited")
    assert refusal.headers["retry-after"] == "1"
    assert handle(b, HttpRequest("POST", "/api/query", body=json.dumps(body).encode(), peer="10.0.0.1")).status == 200


def test_callers_without_a_token_reach_only_what_says_so_where_they_are_switched_off() -> None:
    b = answering(success(1.0))
    b.admission = Admission(0, Clock(), anonymous=False)
    for module, public in (("lobby", True), ("inner", False)):
        b.registry.add(Function(lambda ctx: 1.0, "query", public, {"anonymous": True}), module)
    lobby, inner, other = ({"path": f"{module}:<lambda>", "args": {}} for module in ("lobby", "inner", "m"))
    assert refused(post(b, "/api/query", other)) == (401, "Unauthenticated")
    assert refused(post(b, "/api/query", inner)) == (401, "Unauthenticated")
    assert post(b, "/api/query", other, authorization="Bearer alice's").status == 200
    assert post(b, "/api/query", lobby).status == 200


@pytest.mark.parametrize("path", ["/version", "/docs", "/nothing", "/api/query"])
def test_no_answer_may_be_framed_or_taken_for_another_type(path: str) -> None:
    answer = get(Backend(), path)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "strict-transport-security" not in answer.headers
    cloud = Backend(settings=Settings(stage="prod"))
    assert get(cloud, path).headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"


def test_the_page_of_the_rest_door_runs_its_own_script_and_no_other() -> None:
    answer = get(Backend(), "/docs")
    policy = answer.headers["content-security-policy"]
    script = re.search(r"<script>(.*?)</script>", answer.body, re.DOTALL)
    assert script is not None
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
