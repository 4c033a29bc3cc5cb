"""The page of a deployment whose chat has names of its own, beside an app that has functions and tables of the same names."""

from __future__ import annotations

import textwrap
from pathlib import Path

from playwright.sync_api import expect

from tests.walk.server import ROOT, Served
from tests.web.conftest import Window
from tests.web.reader import Backend, Reader

APP = """
    from chalicelib import QueryCtx, Table, query

    class Task(Table, name="tasks"):
        text: str

    @query
    def list_(ctx: QueryCtx) -> str:
        return "not what the page of the chat expects"
"""


def test_the_page_calls_the_chats_functions_where_an_app_has_the_same_names(built: Path, window: Window, tmp_path: Path) -> None:
    (tmp_path / "quick").mkdir()
    (tmp_path / "quick" / "__init__.py").touch()
    (tmp_path / "quick" / "tasks.py").write_text(textwrap.dedent(APP))
    apps = {"CONCAVE_APPS": "chalicelib.functions,quick", "PYTHONPATH": f"{ROOT}:{tmp_path}", "CHAT_MOUNT": "chat"}
    server = Served(tmp_path / "data", **apps)
    try:
        backend = Backend(server.url, "alice")
        assert "expects" in backend.call("query", "tasks:list")
        backend.call("mutation", "chat/tasks:create", title="Water the plants")
        reader = Reader(window(), server.url, "alice").sign_in("#/tasks")
        expect(reader.page.get_by_text("Water the plants")).to_be_visible()
        session = backend.call("mutation", "chat/chat:startSession", name="Under a mount")
        reader.page.goto(f"{server.url}/#/s/{session}")
        backend.call("mutation", "chat/chat:sendMessage", sessionId=session, content="/say It is served.")
        expect(reader.replies.last).to_contain_text("It is served.")
    finally:
        server.stop()
