"""Old conversations, whose one column held an agent, an image or a session."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.conversations.legacy import classify
from infra.admin.opened import opened
from tests.admin.test_admin import ALICE, Settings, Told, admin, laptop

__all__ = ["admin", "laptop"]

SAID = [{"role": "user", "content": f"m{number}", "timestamp": float(number)} for number in range(100)]
OLD: list[dict[str, Any]] = [
    {"table": "conversations", "id": "conv_1", "user_id": "alice", "session_id": "img_one", "title": "One", "messages": SAID},
    {"table": "conversations", "id": "conv_2", "user_id": "alice", "session_id": "sess_two"},
    {"table": "conversations", "id": "conv_3", "user_id": "alice", "session_id": "agent_three", "messages": SAID[:2]},
    {"table": "conversations", "id": "conv_4", "user_id": "alice", "session_id": "sess_unknown"},
    {"table": "images", "imageId": "img_two", "sessionId": "sess_two"},
]


@pytest.fixture
def old(tmp_path: Path) -> Path:
    file = tmp_path / "old.jsonl"
    file.write_text("".join(json.dumps(each) + "\n" for each in OLD))
    return file


def test_each_class_of_id_has_its_fate() -> None:
    images = {"sess_a": "img_a"}
    assert classify("img_x", images) == ("renamed", "img_x")
    assert classify("sess_a", images) == ("lookedUp", "img_a")
    assert classify("sess_b", images) == ("legacy", None)
    assert classify("agent_x", images) == ("legacy", None)


def test_old_conversations_are_there_with_their_images_and_messages(
    laptop: Settings, admin: Callable[..., Told], old: Path
) -> None:
    fates = {"renamed": 1, "lookedUp": 1, "legacy": 2, "marked": ["conv_3", "conv_4"]}
    code, lines, complaint = admin("migrate", str(old), "--org", "acme", "--dry-run")
    assert (complaint, code, lines) == ("", 0, [{**fates, "thereAlready": 0, "dryRun": True}])
    with opened(laptop) as backend:
        assert backend.executor.query("images:get", {"imageId": "img_one"}, ALICE).value is None, "nothing was written"
    for there in (0, 4):
        code, lines, complaint = admin("migrate", str(old), "--org", "acme")
        assert complaint == ""
        assert (code, lines) == (0, [{**fates, "thereAlready": there, "dryRun": False}])
    with opened(laptop) as backend:
        ask = backend.executor.query
        one = ask("images:get", {"imageId": "img_one"}, ALICE).value
        assert (one["conversationId"], one["name"]) == ("conv_1", "One")
        log = ask("images:messages", {"imageId": "img_one", "limit": 200}, ALICE).value
        assert [each["content"] for each in log] == [f"m{number}" for number in range(100)]
        assert ask("images:get", {"imageId": "img_two"}, ALICE).value["conversationId"] == "conv_2"
        marked = ask("conversations:get", {"conversationId": "conv_3"}, ALICE).value
        assert (marked["metadata"], marked["messageCount"]) == ({"legacy": {"sessionId": "agent_three"}}, 2)


def test_a_line_that_is_no_row_is_named_and_nothing_is_written(laptop: Settings, admin: Callable[..., Told], old: Path) -> None:
    old.write_text(old.read_text() + '{"table": "conversations", "id": 7}\n')
    code, lines, complaint = admin("migrate", str(old), "--org", "acme")
    assert (code, lines) == (1, [])
    assert "line 6" in complaint
    with opened(laptop) as backend:
        assert backend.executor.query("images:get", {"imageId": "img_one"}, ALICE).value is None
