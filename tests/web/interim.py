"""Until the local server serves the built page: Vite's preview in front of it."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.request

from tests.walk.server import ROOT, Served


class Site(Served):
    preview: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        direct = f"http://127.0.0.1:{self.port}"
        if self.preview is None:
            with urllib.request.urlopen(direct, timeout=10) as answer:
                if b"/assets/" in answer.read():
                    return direct
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.page_port = probe.getsockname()[1]
            self.preview = subprocess.Popen(
                ["node", "node_modules/vite/bin/vite.js", "preview", "--port", str(self.page_port), "--strictPort"],
                cwd=ROOT / "web",
                env={**os.environ, "CONCAVE_URL": f"http://127.0.0.1:{self.port}"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for _ in range(100):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", self.page_port)) == 0:
                        break
                time.sleep(0.1)
        return f"http://127.0.0.1:{self.page_port}"

    def stop(self) -> None:
        super().stop()
        if self.preview:
            self.preview.kill()
            self.preview.wait()
