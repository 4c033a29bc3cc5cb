"""A saved table that does not allow what is stored is refused as in Convex: the old code goes on, and the document is named."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.local.test_stack import COUNTER, Process


@pytest.fixture
def process(tmp_path) -> Iterator[Process]:
    made = Process(tmp_path)
    yield made
    if made.process.poll() is None:
        made.end(signal.SIGKILL)


def with_field(field: str, by: int) -> str:
    return COUNTER.replace("    by_name", f"    {field}\n    by_name").replace("by: int = 1", f"by: int = {by}")


def test_a_required_field_over_old_documents_is_refused_and_with_a_default_it_is_taken(process):
    assert process.call("mutation", "stack_app:add", name="a") == 1
    process.save(with_field("owner: str", 10))
    process.until(lambda: "at owner: the required field is missing" in process.said(), True)
    assert "the old code stays" in process.said()
    assert "stackCounts '" in process.said()
    assert process.call("mutation", "stack_app:add", name="a") == 2
    process.save(with_field('owner: str = "nobody"', 100))
    process.until(lambda: process.call("query", "stack_app:read", name="a"), 2)
    process.until(lambda: process.call("mutation", "stack_app:add", name="b") >= 100, True)
    assert process.call("mutation", "stack_app:add", name="c") == 100
    process.save(with_field("owner: int = 0", 1000))
    process.until(lambda: "at owner: expected `int`, got `str`" in process.said(), True)
    assert process.call("query", "stack_app:read", name="a") == 2


def test_a_server_that_is_started_over_documents_which_its_tables_do_not_allow_says_so_and_serves(process):
    assert process.call("mutation", "stack_app:add", name="a") == 1
    process.end(signal.SIGTERM)
    process.save(with_field("owner: str", 1))
    process.start()
    process.until(lambda: "1 stored documents are not what their tables declare" in process.said(), True)
    told = process.call("query", "stack_app:read", name="a")
    assert "BadDocument" in told["errorMessage"]
    assert "at owner" in told["errorMessage"]
