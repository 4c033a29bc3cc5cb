"""The page while it is being written: Vite's development server, behind the same address as everything else.

It runs as a child with an open pipe to its standard input; when this process ends, however it ends, the pipe closes and the
child goes too (`web/dev.mjs`). Browsers ask us for the page's modules and we ask the child; its socket for hot updates is on
the child's own port. Until the child answers, and if it cannot, the built page is served.
"""

from __future__ import annotations

import http.client
import json
import logging
import os
import shutil
import subprocess
import threading
from pathlib import Path

from chalicelib.data import mount
from infra.local.aws.shapes import Request
from infra.local.routes import Answer

log = logging.getLogger("concave.local")

MODULES = ("/@", "/src/", "/node_modules/")
"""The beginnings of paths that only the development server knows."""
PASSED_ON = ("content-type", "cache-control", "etag")


class Vite:
    """Vite's development server of a front end.

    Args:
        web: its folder, with `node_modules` and `dev.mjs`.
        backend: where the calls of the page go.
    """

    def __init__(self, web: Path, backend: str) -> None:
        self._web, self._backend = web, backend
        self._child: subprocess.Popen[str] | None = None
        self.port = 0
        self.ready = threading.Event()

    def start(self) -> None:
        """Start the child; returns at once."""
        node = shutil.which("node")
        if node is None or not (self._web / "node_modules" / "vite").exists():
            log.info("%s", self._without(node is not None))
            return
        self._child = subprocess.Popen(  # noqa: S603 - our own script
            [node, "dev.mjs", self._backend],
            cwd=self._web,
            env={**os.environ, "VITE_CHAT_MOUNT": mount.MOUNT},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._listen, args=(self._child,), name="vite", daemon=True).start()

    def _without(self, node: bool) -> str:
        """What there is instead, and what to do."""
        page = (
            "the page is the one that was built last" if (self._web / "dist" / "index.html").is_file() else "there is no page yet"
        )
        folder = os.path.relpath(self._web)
        install = f"`npm install --prefix {folder}`"
        to_do = f"run {install}" if node else f"install Node 20.19 or newer and run {install}"
        return f"{page}, and it is not reloaded when you save: {to_do}, and start again"

    def _listen(self, child: subprocess.Popen[str]) -> None:
        assert child.stdout is not None
        with child.stdout as lines:
            for line in lines:
                if line.startswith('{"port"'):
                    self.port = int(json.loads(line)["port"])
                    self.ready.set()
                    log.info("the page is reloaded when a file in %s/ is saved", os.path.relpath(self._web))
                else:
                    log.debug("vite: %s", line.rstrip())
        self.port = 0
        self.ready.clear()

    def stop(self) -> None:
        """End the child."""
        if self._child is not None:
            assert self._child.stdin is not None
            self._child.stdin.close()
            try:
                self._child.wait(5)
            except subprocess.TimeoutExpired:  # it is in the middle of something, and does not hear
                self._child.kill()

    def wants(self, request: Request) -> bool:
        """Whether the child is to be asked."""
        if not self.port or request.method not in ("GET", "HEAD"):
            return False
        path = request.path
        return path in ("/", "/index.html") or path.startswith(MODULES) or self._public(path)

    def _public(self, path: str) -> bool:
        name = path.lstrip("/")
        return "/" not in name and name not in ("", "..", ".") and (self._web / "public" / name).is_file()

    def answer(self, request: Request) -> Answer:
        """Ask the child. Called in a thread of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            names = ("accept", "if-none-match", "sec-fetch-dest")
            headers = {name: value for name in names if (value := request.header(name)) is not None}
            connection.request(request.method, request.target, headers=headers)
            told = connection.getresponse()
            kept = tuple((name, value) for name, value in told.getheaders() if name.lower() in PASSED_ON)
            return Answer(told.status, told.read(), kept)
        except (OSError, http.client.HTTPException) as error:
            return Answer.error(502, "PageNotServed", f"the page's development server does not answer: {error}")
        finally:
            connection.close()
