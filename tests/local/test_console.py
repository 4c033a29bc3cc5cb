"""The log as people read it: one line an invocation, errors with their place."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from chalicelib.data.errors import BadRequest
from chalicelib.data.tables import SYSTEM_SPECS
from chalicelib.runtime.executor import Executor
from chalicelib.runtime.logs import Log
from chalicelib.runtime.registry import Registry
from chalicelib.wiring import SystemClock
from infra.local import console, invocation_log
from infra.local.aws.lambdas import Lambdas, ProcessEnded
from infra.local.sqlite.store import SqliteStore


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    """What the terminal would show."""
    logger = logging.getLogger("concave")
    before = logger.handlers[:], logger.level, logger.propagate
    stream = io.StringIO()
    console.talk(out=stream)
    yield stream
    logger.handlers, logger.propagate = before[0], before[2]
    logger.setLevel(before[1])


@pytest.fixture
def lambdas() -> Iterator[Lambdas]:
    made = Lambdas()
    yield made
    made.stop()


def test_one_line_tells_what_ran_how_long_and_whom_it_reached(out, lambdas):
    def ws_message(event, context):
        engine = logging.getLogger("concave.engine")
        engine.debug("ran", extra={"retries": 1, "touched": 3})
        engine.debug("fan-out", extra={"connections": 2, "posts": 2})
        engine.debug("fan-out", extra={"connections": 1, "posts": 0})

    lambdas.adopt(SimpleNamespace(ws_message=ws_message))
    lambdas.call("ws_message", {"body": '{"type":"Mutation","udfPath":"chat:sendMessage","args":[{"secret":"s3cret"}]}'})
    [line] = out.getvalue().splitlines()
    words = line.split()
    assert words[1:4] == ["ws", "Mutation", "chat:sendMessage"]
    assert words[5] == "ms"
    assert line.endswith("re-runs 1  touched 3  connections 3  posts 2")
    assert "s3cret" not in line


def test_http_lines_have_a_status_and_the_functions_path(out, lambdas):
    lambdas.adopt(SimpleNamespace(app=lambda event, context: {"statusCode": 200}))
    lambdas.call("app", {"httpMethod": "POST", "path": "/api/query", "body": '{"path":"chat:getMessages","args":{}}'})
    assert "http     POST /api/query chat:getMessages" in out.getvalue()
    assert out.getvalue().rstrip().endswith("200")


@pytest.mark.parametrize("body", [None, "", "no json", "[]", '{"type":5}', '{"type":{"a":1}}'])
def test_a_body_of_any_kind_gets_a_line(out, lambdas, body):
    lambdas.adopt(SimpleNamespace(ws_message=lambda event, context: None))
    lambdas.call("ws_message", {"body": body})
    assert len(out.getvalue().splitlines()) == 1


def test_what_nobody_waits_for_is_quiet(out, lambdas):
    def on_change(event, context):
        logging.getLogger("concave").debug("fan-out", extra={"connections": event["reached"]})

    def changed(table: str, reached: int) -> None:
        arn = f"arn:aws:dynamodb:x:1:table/{table}/stream/1"
        lambdas.call("on_change", {"Records": [{"eventSourceARN": arn}], "reached": reached})

    lambdas.adopt(SimpleNamespace(sweep=lambda event, context: None, on_change=on_change))
    lambdas.call("sweep", {})
    changed("commits", 0)
    changed("chatChunks", 5)
    assert out.getvalue() == ""
    changed("commits", 1)
    assert "connections 1" in out.getvalue()


def test_an_error_is_shown_with_file_and_line_and_its_trace(out, lambdas):
    def serve(event, context):
        raise RuntimeError("broken on purpose")

    lambdas.adopt(SimpleNamespace(serve=serve))
    with pytest.raises(RuntimeError):
        lambdas.call("serve", {})
    first = out.getvalue().splitlines()[0]
    line = serve.__code__.co_firstlineno + 1
    assert f"RuntimeError: broken on purpose  (tests/local/test_console.py:{line})" in first
    assert "Traceback" in out.getvalue()


def test_the_place_of_an_error_inside_a_library_is_our_line_that_called_it():
    with pytest.raises(ValueError) as raised:
        json.loads("{")
    assert (console.place(raised.tb) or "").startswith("tests/local/test_console.py:")


def test_notes_of_one_invocation_do_not_reach_another():
    gather = invocation_log.Gather()
    record = logging.LogRecord("concave", logging.DEBUG, "", 0, "", (), None)
    record.touched = 5
    with invocation_log.gathering() as outer:
        with invocation_log.gathering() as inner:
            gather.emit(record)
        assert (outer, inner) == ({}, {"touched": 5})
    gather.emit(record)
    assert outer == {}


def test_a_fault_of_a_users_function_is_red_with_the_place_in_the_users_code(tmp_path):
    """The innermost frame may be the engine's; the line that its reader can change is the function's."""
    app = tmp_path / "notes.py"
    app.write_text("from chalicelib.data.values import encode\n\n\ndef save(value):\n    return encode(value)\n")
    names: dict[str, Any] = {}
    exec(compile(app.read_text(), str(app), "exec"), names)
    try:
        names["save"]({1, 2})
    except BadRequest as error:
        raised = error
    record = logging.LogRecord(
        "concave.fault", logging.ERROR, "x", 1, "query failed", (), (type(raised), raised, raised.__traceback__)
    )
    record.path = "notes:save"
    first = console.Lines(colour=True).format(record).splitlines()[0]
    assert first.startswith("\x1b[31m")
    assert "notes:save" in first
    assert f"({app}:5)" in first


@pytest.mark.parametrize("text", ["a\nforged line", "\x1b[2J", "half \ud83d", "tab\there", "\u202eright to left"])
def test_a_terminal_is_shown_control_characters_and_obeys_none(text):
    record = logging.LogRecord("concave.engine", logging.INFO, "x", 1, "%s", (text,), None)
    record.path = text
    line = console.Lines(colour=False).format(record)
    assert line.isprintable()
    assert line.encode()


def test_what_a_function_logs_reaches_the_terminal_with_its_path_and_level(out):
    with Log("notes:add", "acme") as said:
        said("hello", {"n": 1})
        said.warn("careful")
    first, second = out.getvalue().splitlines()
    assert first.split()[1:3] == ["log", "notes:add"]
    assert first.endswith("""'hello' {"n": 1}""")
    assert second.endswith("'careful'")


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()], ids=lambda error: type(error).__name__)
def test_an_invocation_that_would_end_its_process_ends_itself_only(out, lambdas, error):
    def app(event, context):
        if event["path"] == "/dies":
            raise error
        return {"statusCode": 200}

    lambdas.adopt(SimpleNamespace(app=app))
    dies = lambdas.submit("app", {"httpMethod": "GET", "path": "/dies"})
    with pytest.raises(ProcessEnded, match=type(error).__name__):
        dies.result(5)
    assert lambdas.submit("app", {"httpMethod": "GET", "path": "/"}).result(5) == {"statusCode": 200}
    assert "app would have ended its process" in out.getvalue()


def test_a_traceback_of_a_users_fault_begins_in_the_users_code(out, tmp_path):
    registry = Registry()
    app = tmp_path / "shop.py"
    app.write_text(
        "from chalicelib import *\n\n@mutation\ndef sell(ctx: MutationCtx) -> None:\n    price()\n\ndef price():\n    1 / 0\n"
    )
    module = ModuleType("shop")
    exec(compile(app.read_text(), str(app), "exec"), vars(module))
    registry.add(vars(module)["sell"], "shop")
    Executor(SqliteStore(":memory:", SYSTEM_SPECS), registry, SystemClock()).mutation("shop:sell", {}, None)
    first, *trace = out.getvalue().splitlines()
    assert first.split()[1:3] == ["fault", "shop:sell"]
    assert first.endswith(f"ZeroDivisionError: division by zero  ({app}:8)")
    places = [line.strip() for line in trace if line.strip().startswith("File ")]
    assert places == [f'File "{app}", line 5, in sell', f'File "{app}", line 8, in price']
