"""Every fault of a function is found again: kind of function by road by fault, generated.

One line of the operator's log names path, org, exception and the request id that the client was told. Outside development no
client hears a word of the exception, nor a file. What the function logged before it failed is told in either case.
"""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from chalicelib import Crons, wiring
from chalicelib.backend import Backend
from chalicelib.data.tables import all_specs
from chalicelib.data.trace import tracing
from chalicelib.doors import sync
from chalicelib.runtime.registry import Registry
from chalicelib.settings import Settings
from infra.local.sqlite.store import SqliteStore
from tests.functions.conftest import Later, MovingClock
from tests.runtime import faulty
from tests.runtime.faulty import FAULTS, REFUSALS, SAYS, SECRET, WRONG_RESULTS
from tests.support.rest import Names, Rest

FUNCTIONS = {"query": "look", "mutation": "change", "action": "act"}
REQUEST_ID = re.compile(r"\[Request ID: ([0-9a-f]{16})\] Server Error")


class Heard:
    """A gateway that keeps what it was given."""

    def __init__(self) -> None:
        self.posts: list[str] = []

    def post(self, connection: str, text: str) -> str:
        self.posts.append(text)
        return "ok"

    def is_open(self, connection: str) -> bool:
        return True

    def close(self, connection: str) -> bool:
        return True


class Records(logging.Handler):
    """What the operator's log has."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.all: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.all.append(record)

    def faults(self) -> list[logging.LogRecord]:
        return [each for each in self.all if each.name == "concave.fault"]

    def said(self) -> list[tuple[str, str]]:
        """(path, text) of the functions' own lines."""
        return [(str(vars(each)["path"]), each.getMessage()) for each in self.all if each.name == "concave.log"]


class House:
    """A backend of the faulty app, seen by somebody of acme through every door."""

    def __init__(self, development: bool, wrap: Callable[[Any, Any], Any] = lambda store, specs: store) -> None:
        registry = Registry()
        registry.collect(faulty, "faulty")
        self.registry, self.clock, self.later, self.heard = registry, MovingClock(), Later(), Heard()
        config = Settings(stage=None if development else "prod", anthropic_key="none")
        store = wrap(SqliteStore(":memory:", all_specs()), all_specs())
        parts = wiring.Parts(store, self.later, self.heard, self.clock, [], None, config)  # type: ignore[arg-type]
        self.backend: Backend = wiring.build(config, registry, parts)
        self.backend.verifier = Names()  # type: ignore[assignment]
        self.rest = Rest(self.backend, "alice@acme")
        self.sockets = 0

    # Roads: each returns all that the caller heard ------------------------------------------------------------------------

    def http(self, kind: str, fault: str) -> str:
        return self.rest.raw("POST", f"/api/{kind}", {"path": f"faulty:{FUNCTIONS[kind]}", "args": {"fault": fault}}).body

    def by_name(self, kind: str, fault: str) -> str:
        return self.rest.raw("POST", f"/api/run/faulty/{FUNCTIONS[kind]}", {"args": {"fault": fault}}).body

    def batch(self, kind: str, fault: str) -> str:
        return self.rest.raw("POST", "/api/query_batch", {"queries": [{"path": "faulty:look", "args": {"fault": fault}}]}).body

    def called(self, kind: str, fault: str) -> str:
        args = {"kind": kind, "fault": fault}
        return self.rest.raw("POST", "/api/action", {"path": "faulty:through", "args": args}).body

    def socket(self, kind: str, fault: str) -> str:
        self.sockets += 1
        self.heard.posts.clear()
        connection = f"socket-{self.sockets}"
        sync.connect(self.backend, connection, "/api/1.48.0/sync", {})
        call = {"udfPath": f"faulty:{FUNCTIONS[kind]}", "args": [{"fault": fault}]}
        added = [{"type": "Add", "queryId": 0, **call}] if kind == "query" else []
        session = {"sessionId": f"session-{self.sockets}", "connectionCount": 0, "lastCloseReason": None, "clientTs": 0}
        frames: list[dict[str, Any]] = [
            {"type": "Connect", **session},
            {"type": "Authenticate", "baseVersion": 0, "tokenType": "User", "value": "alice@acme"},
            {"type": "ModifyQuerySet", "baseVersion": 0, "newVersion": 1, "modifications": added},
        ]
        if kind != "query":
            frames.append({"type": kind.title(), "requestId": 0, **call})
        for number, frame in enumerate(frames):
            with tracing(f"{connection}-{number}"):  # as every entry point does
                sync.message(self.backend, connection, json.dumps(frame))
        while self.later.asked:
            function, payload = self.later.asked.pop(0)
            if function == "act":
                sync.act(self.backend, payload["connectionId"], payload["requestId"])
        return "".join(self.heard.posts)

    def job(self, kind: str, fault: str) -> str:
        made = self.rest("POST", "/api/mutation", {"path": "faulty:order", "args": {"kind": kind, "fault": fault}})
        self.work()
        return self.row(made[1]["value"])

    def cron(self, kind: str, fault: str) -> str:
        crons = Crons()
        crons.interval("often", getattr(faulty, FUNCTIONS[kind]), seconds=60, fault=fault)
        self.collect(crons)
        self.backend.jobs.tick()
        self.clock.ahead += 61_000
        self.backend.jobs.sweep()
        job = self.later.asked[0][1]["jobId"]
        self.work()
        self.rest.token = None  # crons run in the org of those without a token
        return self.row(job)

    def collect(self, crons: Crons) -> None:
        """Have these crons in the app."""
        module = ModuleType("crontab")
        module.crons = crons  # type: ignore[attr-defined]
        self.registry.collect(module, "crontab")

    def work(self) -> None:
        """Every job is handed over twice: after the commit, and by the stream."""
        while self.later.asked:
            _, payload = self.later.asked.pop(0)
            self.backend.run_job(payload)
            self.backend.run_job(payload)

    def row(self, job: str) -> str:
        return self.rest.raw("POST", "/api/query", {"path": "faulty:ended", "args": {"job": job}}).body


Road = Callable[[House, str, str], str]
ROADS: dict[str, tuple[Road, tuple[str, ...]]] = {
    "http": (House.http, ("query", "mutation", "action")),
    "by name": (House.by_name, ("query", "mutation", "action")),
    "batch": (House.batch, ("query",)),
    "called by an action": (House.called, ("query", "mutation", "action")),
    "socket": (House.socket, ("query", "mutation", "action")),
    "job": (House.job, ("mutation", "action")),
    "cron": (House.cron, ("mutation", "action")),
}
MATRIX = [(road, kind) for road, (_, kinds) in ROADS.items() for kind in kinds]


@pytest.fixture
def records() -> Iterator[Records]:
    logger, kept = logging.getLogger("concave"), Records()
    level = logger.level
    logger.addHandler(kept)
    logger.setLevel(logging.DEBUG)
    yield kept
    logger.removeHandler(kept)
    logger.setLevel(level)


def go(house: House, road: str, kind: str, fault: str) -> str:
    return ROADS[road][0](house, kind, fault)


@pytest.mark.parametrize(("road", "kind"), MATRIX)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_line_of_the_log_and_tells_strangers_nothing_but_its_id(
    records: Records, road: str, kind: str, fault: str
) -> None:
    house, path = House(development=False), f"faulty:{FUNCTIONS[kind]}"
    told = go(house, road, kind, fault)
    (line,) = records.faults()
    about = vars(line)
    assert (line.levelno, about["path"], about["org"]) == (logging.ERROR, path, "_public" if road == "cron" else "acme")
    assert line.exc_info is not None
    assert line.exc_info[1] is not None
    assert REQUEST_ID.findall(told) == [about["request"]]
    assert about["request"] in line.getMessage()
    assert SECRET not in told
    assert ".py" not in told
    assert records.said() == [(path, f"'{SAYS[kind]}' '{fault}'")]
    assert "fine" in house.http(kind, "none")


@pytest.mark.parametrize(("road", "kind"), MATRIX)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_developer_is_told_what_and_where_and_what_was_logged(records: Records, road: str, kind: str, fault: str) -> None:
    told = go(House(development=True), road, kind, fault)
    (line,) = records.faults()
    assert "faulty.py:" in told
    assert "Uncaught " in told
    if road not in ("job", "cron"):
        assert vars(line)["request"] in told
        assert f"[WARN] '{SAYS[kind]}' '{fault}'" in told


@pytest.mark.parametrize(("road", "kind"), MATRIX)
@pytest.mark.parametrize("fault", WRONG_RESULTS)
def test_a_result_that_was_not_promised_is_the_functions_fault(records: Records, road: str, kind: str, fault: str) -> None:
    told = go(House(development=False), road, kind, fault)
    (line,) = records.faults()
    assert vars(line)["path"] == f"faulty:{FUNCTIONS[kind]}"
    assert "ReturnsValidationError" in told


@pytest.mark.parametrize(("road", "kind"), [each for each in MATRIX if each[0] not in ("job", "cron")])
@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refusal_keeps_its_data_whatever_it_is(records: Records, road: str, kind: str, refusal: str) -> None:
    told = go(House(development=False), road, kind, refusal)
    assert f'"errorData":{json.dumps(REFUSALS[refusal], separators=(",", ":"))}' in told.replace('": ', '":')
    assert "The shop is closed." in told
    assert records.faults() == []


def test_who_catches_a_querys_fault_gets_the_fault_itself(records: Records) -> None:
    house = House(development=False)
    told = house.rest("POST", "/api/action", {"path": "faulty:calm", "args": {"fault": "an error"}})[1]
    assert told["value"] == "calm about ValueError"
    assert len(records.faults()) == 1


def test_what_functions_log_is_told_when_they_succeed(records: Records) -> None:
    for road, kind in MATRIX:
        records.all.clear()
        go(House(development=False), road, kind, "none")
        assert records.said() == [(f"faulty:{FUNCTIONS[kind]}", f"'{SAYS[kind]}' 'none'")], road


def test_the_stages_log_has_lines_and_faults_as_json_under_one_request_id() -> None:
    """Through Powertools, as in Lambda: also of an error that no UTF-8 can hold."""
    code = """
        from aws_lambda_powertools import Logger
        logger = Logger(service="concave")
        from chalicelib.runtime.errors import report
        from chalicelib.runtime.logs import Log
        with Log("notes:add", "acme") as log:
            log.warn("careful")
            try:
                raise ValueError("half " + chr(0xd83d))
            except ValueError as error:
                report(error, log, development=False, kind="mutation")
        """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    said, fault = map(json.loads, done.stdout.splitlines())
    assert (said["level"], said["message"], said["path"], said["org"]) == ("WARNING", "'careful'", "notes:add", "acme")
    assert (fault["level"], fault["path"], fault["org"]) == ("ERROR", "notes:add", "acme")
    assert said["request"] == fault["request"] != ""
    assert "ValueError: half \ufffd" in fault["exception"]
