"""A live search and live vectors, from outside: the client of PyPI on a server of its own, on both stores and both drivers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from convex import ConvexClient

from tests.support.engine import Engine, require_engine
from tests.walk.server import Served


@pytest.fixture(params=["owner", "rows", "dynamodb"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    engine = None
    env = {"CONCAVE_APPS": "chalicelib.functions,tests.apps.library", "EMBEDDER": "hashing", "EMBEDDER_DIMENSIONS": "64"}
    if request.param == "dynamodb":
        require_engine()
        engine = Engine()
        env |= {"STORE": "dynamodb", "DYNAMODB_ENDPOINT_URL": engine.url}
    else:
        env["LIVE"] = request.param
    one = Served(tmp_path, **env)
    try:
        yield one
    finally:
        one.kill()
        if engine is not None:
            engine.kill()


def test_a_search_that_is_open_is_told_what_others_write_and_delete(served: Served) -> None:
    reader, writer = ConvexClient(served.url), ConvexClient(served.url)
    found = iter(reader.subscribe("shelves:find", {"shelf": "a", "words": "caf"}))
    assert next(found) == []
    coffee = writer.mutation("shelves:add", {"shelf": "a", "text": "Ein Café in Köln"})
    assert next(found) == ["Ein Café in Köln"]
    writer.mutation("shelves:add", {"shelf": "b", "text": "another café"})
    writer.mutation("shelves:add", {"shelf": "a", "text": "café café"})
    assert next(found) == ["café café", "Ein Café in Köln"]
    writer.mutation("shelves:remove", {"book": coffee})
    assert next(found) == ["café café"]
    assert writer.query("shelves:find", {"shelf": "a", "words": "koln"}) == []


def test_what_a_text_means_is_found_when_the_job_of_its_commit_has_embedded_it(served: Served) -> None:
    reader, writer = ConvexClient(served.url), ConvexClient(served.url)
    writer.mutation("shelves:add", {"shelf": "a", "text": "the quick brown fox"})
    writer.mutation("shelves:add", {"shelf": "a", "text": "a slow green turtle"})
    assert 2 in reader.subscribe("shelves:meant", {"shelf": "a"})  # its values, as they come
    assert writer.action("shelves:like", {"shelf": "a", "words": "the quick fox"}) == ["the quick brown fox"]
