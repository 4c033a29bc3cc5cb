"""The OpenAPI document against the door: whatever its schemas allow, or just not, nothing is the server's fault.

Derandomized, so that it finds the same things everywhere. Run with more examples when you have changed a row:
`EXAMPLES=200 .venv/bin/python -m pytest tests/doors/test_schemathesis.py`.
"""

from __future__ import annotations

import os

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from chalicelib.doors.route import Route
from chalicelib.doors.routes import ROUTES
from infra.local.model.server import ScriptedModel
from tests.functions.conftest import House
from tests.support.rest import Names, wsgi

EXAMPLES = int(os.environ.get("EXAMPLES", "8"))
CHECKS = [not_a_server_error, response_schema_conformance, status_code_conformance]
CALM = settings(max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def document(model: ScriptedModel) -> schemathesis.BaseSchema:
    house = House(model)
    house.backend.verifier = Names()  # type: ignore[assignment]
    return schemathesis.openapi.from_wsgi("/openapi.json", wsgi(house.backend))


@pytest.mark.parametrize("mode", ["positive", "negative"])
@pytest.mark.parametrize("row", ROUTES, ids=lambda row: f"{row.method} {row.path}")
def test_no_request_is_the_servers_fault(document: schemathesis.BaseSchema, row: Route, mode: str) -> None:
    requests = document[row.path][row.method].as_strategy(generation_mode=schemathesis.GenerationMode(mode))

    @CALM
    @given(requests)
    def every(case: schemathesis.Case) -> None:
        case.call_and_validate(headers={"authorization": "Bearer alice@acme"}, checks=CHECKS)

    every()
