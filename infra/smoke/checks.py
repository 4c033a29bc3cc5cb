"""What is looked at, one after the other; each says what it found, and a later one does not depend on an earlier one."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from chalicelib.data import mount
from chalicelib.data.errors import ConcaveError
from chalicelib.settings import VERSION
from infra.account import NotDone
from infra.smoke.socket import NoSocket, Socket
from infra.smoke.stage import CHAIN, Stage

SIZES = (33 * 1024, 64 * 1024, 128 * 1024)
"""Posts to a socket: just over one frame, two frames, and the largest that API Gateway documents."""
HOPS = 20
"""Lambda's recursion detection ends a chain after 16."""
LOOKS = ("version", "page", "query", "socket", "posts", "reply", "jobs")
"""What is looked at, in this order."""
QUERY = "chat:listSessions"
ASK = "Answer with one word: hello."


@dataclass(frozen=True)
class Found:
    """One look: what it was about, how it ended (`none`: not looked at), and what was seen."""

    about: str
    state: Literal["ok", "failed", "none"]
    text: str


class Failed(Exception):
    """What was looked at is not as it should be."""


class Unseen(Exception):
    """It was not looked at; the message says what it takes."""


class Smoke:
    """A look at a deployment.

    Args:
        url: where its users go.
        sockets: where the sync protocol is spoken.
        stage: the same from the inside.
        token: a user's token; None: what only signed-in users see is left out.
        page: whether the page was published.
        seconds: how long one thing may take; a cold function needs some.
    """

    def __init__(self, url: str, sockets: str, stage: Stage, token: str | None, *, page: bool, seconds: float = 60) -> None:
        self.url, self.sockets, self.stage, self.token = url, sockets, stage, token
        self.page, self.seconds = page, seconds

    def run(self, only: Collection[str] = ()) -> Iterator[Found]:
        """Look at everything, or at these only, by their names in `LOOKS`."""
        for about in LOOKS:
            if only and about not in only:
                continue
            look: Callable[[], str] = getattr(self, f"_{about}")
            started = time.monotonic()
            try:
                found = Found(about, "ok", look())
            except Unseen as reason:
                found = Found(about, "none", f"{reason}")
            except (Failed, NoSocket, NotDone, ConcaveError) as error:
                found = Found(about, "failed", f"{error}")
            yield Found(about, found.state, f"{found.text} ({time.monotonic() - started:.1f} s)")

    # By HTTP ----------------------------------------------------------------------------------------------------------------

    def _version(self) -> str:
        status, text = self._ask("/version")
        if (status, text) != (200, VERSION):
            raise Failed(f"GET /version answers {status} {text[:200]!r}, not {VERSION}")
        return f"{VERSION} answers"

    def _page(self) -> str:
        if not self.page:
            raise Unseen("no page was published")
        status, text = self._ask("/")
        if status != 200 or not text.lstrip().lower().startswith("<!doctype html"):
            raise Failed(f"GET / answers {status} {text[:200]!r}, not the page")
        return f"{len(text)} bytes of HTML"

    def _query(self) -> str:
        self._needs(QUERY)
        told = self._call("query", QUERY, {})
        return f"{QUERY} answers {len(told)} sessions"

    def _needs(self, path: str) -> None:
        """Raise `Unseen` where the app is another: what it is for, its own tests know."""
        if not self.stage.has(path):
            raise Unseen(f"this app has no {path}")

    def _call(self, kind: str, path: str, args: dict[str, Any]) -> Any:
        """A function over HTTP. Without a token it must be refused in our own words, and no more is seen."""
        status, text = self._ask(f"/api/{kind}", {"path": mount.path(path), "args": args})
        try:
            told = json.loads(text)
        except ValueError:
            raise Failed(f"/api/{kind} answers {status} {text[:200]!r}") from None
        if told.get("status") == "success":
            return told["value"]
        words = f"{told.get('errorData', {})} {told.get('errorMessage') or told.get('message') or told}"
        if self.token is None and status < 500 and "sign" in words.lower():
            raise Unseen("strangers are refused; with SMOKE_TOKEN=<a user's token> more is seen")
        raise Failed(f"{path} answers {status}: {words[:300]}")

    def _ask(self, path: str, body: Any = None) -> tuple[int, str]:
        headers = {"Content-Type": "application/json", "User-Agent": "concave-smoke"}
        if self.token is not None and body is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers)  # noqa: S310 - the deployment's own address
        try:
            with urllib.request.urlopen(request, timeout=self.seconds) as answer:  # noqa: S310
                return answer.status, answer.read().decode(errors="replace")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode(errors="replace")
        except OSError as error:
            raise Failed(f"{self.url}{path} does not answer: {error}") from error

    # By a socket ------------------------------------------------------------------------------------------------------------

    def _socket(self) -> str:
        with Socket(self.sockets, self.token, self.seconds) as socket:
            fine, told = socket.value(socket.follow(mount.path(QUERY), {}))
        if fine:
            return "a subscription has its first value"
        if self.token is None or not self.stage.has(QUERY):
            return "a subscription is answered (and refused)"
        raise Failed(f"a subscription to {QUERY} fails: {told}")

    def _posts(self) -> str:
        with Socket(self.sockets, self.token, self.seconds) as socket:
            socket.value(socket.follow(mount.path(QUERY), {}))
            connection = self.stage.connection_of(socket.session)
            if connection is None:
                raise Failed("the socket has no mailbox that names its session")
            for size in SIZES:
                if refused := self.stage.post(connection, size):
                    raise Failed(f"a post of {size // 1024} KB is refused: {refused}")
                if not socket.hears(size):
                    raise Failed(f"a post of {size // 1024} KB was taken and did not arrive")
        return f"posts of {', '.join(str(size // 1024) for size in SIZES)} KB arrive"

    def _reply(self) -> str:
        self._needs("chat:sendMessage")
        if self.token is None:
            raise Unseen("a reply takes SMOKE_TOKEN=<a user's token>")
        if not self.stage.given.get("AnthropicKeySecret"):
            raise Unseen("there is no model's key (ANTHROPIC_API_KEY_SECRET)")
        session = self._call("mutation", "chat:startSession", {})
        with Socket(self.sockets, self.token, self.seconds) as socket:
            number = socket.follow(mount.path("chat:subscribeToMessages"), {"sessionId": session})
            socket.value(number)
            reply = self._call("mutation", "chat:sendMessage", {"sessionId": session, "content": ASK})
            fine, told = socket.value(number, lambda messages: any(_ended(each, reply) for each in messages))
        self._call("mutation", "chat:endSession", {"sessionId": session})
        if not fine:
            raise Failed(f"the subscription to the reply fails: {told}")
        (message,) = (each for each in told if each["messageId"] == reply)
        if message["status"] != "completed":
            raise Failed(f"a reply ends as {message['status']}: {message.get('reason')}")
        return f"a reply of {len(message['content'])} characters was told over a socket"

    def _jobs(self) -> str:
        self._needs(CHAIN)
        ran = self.stage.chained(HOPS, self.seconds)
        if ran < HOPS:
            raise Failed(f"of a chain of {HOPS} jobs {ran} ran")
        return f"a chain of {HOPS} jobs ran"


def _ended(message: dict[str, Any], reply: str) -> bool:
    return bool(message["messageId"] == reply and message["completed"])
