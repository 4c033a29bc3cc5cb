"""Takes the pictures of docs/screenshots: `python -m tests.web.screenshots`. A worker gives the answers that they show."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from tests.walk.server import ROOT, Served
from tests.web.conftest import chromium
from tests.web.reader import Backend, Reader, worker

SIZES = {"desktop": (1280, 800), "phone": (390, 844)}
QUESTION = "Can I write a counter that every open tab sees at once?"
ANSWER = """\
Yes. A query is a subscription: whoever shows its value gets the next one when a mutation changes what it read.

```python
class Counter(Table, name="counters"):
    name: str
    value: int = 0
    by_name = Index("name", unique=True)

@query
def get(ctx: QueryCtx, name: str) -> int:
    found = ctx.db.query(Counter.by_name(name)).first()
    return found.value if found else 0
```

| who | calls | sees the new value |
|---|---|---|
| a page | `useQuery` | when the commit is done |
| a phone | `POST /api/query` | when it asks again |
"""
NEXT, WRITING = (
    "And if two people add one at the same moment?",
    "Both count. The second commit meets the first one's write, so its function ",
)
OTHERS = ("Plan for the move", "Which index do I need?", "Notes of Monday", "Names for the boat", "A letter to the landlord")


def conversation(server: Served) -> str:
    """Some sessions, and one with a finished reply and one that is being written."""
    uma, hand = Backend(server.url, "uma"), worker(server, "desk")
    for name in OTHERS:
        session = uma.call("mutation", "chat:startSession", workerId="desk", name=name)
    uma.call("mutation", "chat:endSession", sessionId=session)
    session = uma.call("mutation", "chat:startSession", workerId="desk", name="A shared counter")
    hand.call("mutation", "chat:sessionReady", sessionId=session)
    for text in (QUESTION, NEXT):
        place = {"sessionId": session, "messageId": uma.call("mutation", "chat:sendMessage", sessionId=session, content=text)}
        if text is QUESTION:
            hand.call("mutation", "chat:completeMessage", **place, content=ANSWER, reasoning="A query is live by itself.")
        else:
            hand.call("mutation", "chat:writeChunk", **place, chunk=WRITING, sequence=0)
    return str(session)


def take(browser: Browser, url: str, session: str, folder: Path, size: str, theme: Any) -> None:
    """One picture."""
    width, height = SIZES[size]
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=theme, locale="en-GB")
    reader = Reader(page, url, "uma").sign_in(f"#/s/{session}")
    page.locator(".hljs-keyword").first.wait_for()
    reader.sees(len(WRITING) - 1)
    page.screenshot(path=folder / f"{size}-{theme}.png", animations="disabled")
    page.close()


def main() -> None:
    """All four."""
    folder = ROOT / "docs" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data, sync_playwright() as tools:
        server = Served(Path(data), RUN_LEASE="600")
        browser = tools.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        session = conversation(server)
        for size in SIZES:
            for theme in ("light", "dark"):
                take(browser, server.url, session, folder, size, theme)
        browser.close()
        server.stop()


if __name__ == "__main__":
    main()
