"""Open connections that are rows, as an operator looks at them: what each watches, who reads a document, what looking costs."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.operating import sync
from infra.local.model.server import ScriptedModel
from tests.data.mutants import swapped
from tests.functions.tabs import Live


@pytest.fixture
def live(model: ScriptedModel) -> Live:
    return Live(model)


def shown(live: Live) -> dict[str, Any]:
    """What the pane Sync asks for."""
    found: dict[str, Any] = live.operator(role="read").action("_system/sync:sockets")
    return found


def test_connections_that_are_rows_are_shown_with_what_each_watches(live: Live) -> None:
    live.person("alice").mutation("tasks:create", title="one")
    alice, nobody = live.tab("alice@acme"), live.tab(None)
    alice.client.subscribe("tasks:list", {})
    alice.flush()
    found = shown(live)
    assert (found["live"], found["more"]) == ("rows", False)
    sockets = {each["id"]: each for each in found["sockets"]}
    assert sockets.keys() == {alice.name, nobody.name}
    (query,) = sockets[alice.name]["queries"]
    assert (query["path"], query["org"]) == ("tasks:list", "acme")
    assert sockets[alice.name]["user"] == "alice"
    assert sockets[alice.name]["watching"] == query["watches"] >= 1
    assert sockets[nobody.name]["queries"] == []
    alice.close()
    assert {each["id"] for each in shown(live)["sockets"]} == {nobody.name}


def test_who_reads_a_document_now_is_told_with_how_many(live: Live) -> None:
    task = live.person("alice").mutation("tasks:create", title="one")["_id"]
    other = live.person("alice").mutation("tasks:create", title="other")["_id"]
    tabs = [live.tab("alice@acme") for _ in range(3)]
    for tab in tabs:
        tab.client.subscribe("tasks:get", {"taskId": task})
        tab.flush()
    ask = live.operator(role="read").action
    (reader,) = ask("_system/sync:readers", table="tasks", ids=[task])
    assert (reader["path"], reader["sockets"]) == ("tasks:get", 3)
    assert task in reader["args"]
    assert ask("_system/sync:readers", table="tasks", ids=[other]) == []
    assert live.operator(role="read", org="other").action("_system/sync:readers", table="tasks", ids=[task]) == []
    tabs[0].close()
    assert ask("_system/sync:readers", table="tasks", ids=[task])[0]["sockets"] == 2


def test_looking_at_many_connections_reads_a_bounded_number_of_rows(live: Live) -> None:
    task = live.person("alice").mutation("tasks:create", title="one")["_id"]
    for _ in range(8):
        tab = live.tab("alice@acme")
        for path, args in (("tasks:list", {}), ("tasks:get", {"taskId": task})):
            tab.client.subscribe(path, args)
        tab.flush()
    with swapped((sync, "ROWS", 4), (sync, "QUERIES", 1), (sync, "MOST", 5)):
        live.store.reset()
        found = shown(live)
        assert found["more"]
        assert len(found["sockets"]) <= 4
        assert all(len(each["queries"]) <= 1 for each in found["sockets"])
        assert live.store.items["scan", "mailboxes"] <= 4
        assert live.store.items["query", "subscriptions"] <= 4
        live.store.reset()
        live.operator(role="read").action("_system/sync:readers", table="tasks", ids=[task])
        assert live.store.items["query", "watches"] == 5
        assert live.store.items["batch_get", "subscriptions"] <= 5
        assert not any(live.store.wcu.values()), "looking writes nothing"
