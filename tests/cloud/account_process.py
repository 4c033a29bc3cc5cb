"""The process of the emulated account: MiniStack from PyPI with some of its habits changed, none of its files touched.

It is run by MiniStack's own interpreter, by its path, so it imports nothing of this project. What is changed is about functions,
where the emulator is further from Lambda than it has to be:

- frames of sockets are given to an environment of the version that the alias names at that moment. The emulator keeps
  environments of sockets by the alias' name, and these stay with the version they began with, wherever the alias is moved;
- frames of several sockets are served at once, as invocations are, instead of one after the other;
- a bundle is unpacked once, not for every environment that begins: functions cannot write to it on Lambda either. And when
  an alias is moved, environments of versions that no alias names end, where they have nothing to do;
- policies are asked for the action that Lambda's API has (`GetAlias`, `ListLayerVersions`). The emulator asks for another of the
  same path's where it knows no better (`ListAliases`, `ListLayers`), or for none.
"""

from __future__ import annotations

import functools
import hashlib
import os
import tempfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ministack import app
from ministack.core import iam_actions, lambda_runtime
from ministack.services import lambda_svc

UNPACKED = Path(tempfile.mkdtemp(prefix="unpacked-"))
_unpacking = threading.Lock()


class Bundle(zipfile.ZipFile):
    """A bundle that is unpacked once; each place that asks for it gets a link to what was unpacked."""

    def namelist(self) -> list[str]:
        """What is to be looked at before it is unpacked: nothing, once it is."""
        return [] if self._unpacked.exists() else super().namelist()

    def extractall(self, path: Any = None, members: Any = None, pwd: Any = None) -> None:
        """Make the empty folder `path` a link to the bundle's content."""
        kept = self._unpacked
        with _unpacking:
            if not kept.exists():
                begun = Path(tempfile.mkdtemp(dir=UNPACKED))
                super().extractall(begun)
                begun.rename(kept)
        os.rmdir(path)
        os.symlink(kept, path, target_is_directory=True)

    @functools.cached_property
    def _unpacked(self) -> Path:
        with open(str(self.filename), "rb") as file:
            return UNPACKED / hashlib.file_digest(file, "sha1").hexdigest()


class Environments:
    """What serves frames of a function at one version: each call takes an environment that is free, or begins one."""

    def __init__(self, name: str, config: dict[str, Any], code: bytes) -> None:
        self._of = (name, config, code, config.get("Version", "$LATEST"))

    def invoke(self, event: Any, request_id: str) -> Any:
        """One call: what the environment answers."""
        worker, _ = lambda_runtime.acquire_worker(*self._of)
        try:
            return worker.invoke(event, request_id)
        finally:
            lambda_runtime.release_worker(worker)


def of_version(name: str, config: dict[str, Any], code: bytes, qualifier: str = "$LATEST") -> Environments:
    """Instead of the emulator's one environment for a function and a qualifier."""
    return Environments(name, config, code)


def tidied(move: Callable[..., Any]) -> Callable[..., Any]:
    """UpdateAlias, after which environments of versions that nothing names any more end."""

    @functools.wraps(move)
    def moved(name: str, alias: str, data: dict[str, Any]) -> Any:
        answer = move(name, alias, data)
        if name not in lambda_svc._functions:
            return answer
        named = {each["FunctionVersion"] for each in lambda_svc._functions[name]["aliases"].values()}
        ended = []
        with lambda_runtime._lock:
            for key, workers in list(lambda_runtime._workers.items()):
                _, _, function, version = key.split(":")
                if function == name and version not in named:
                    lambda_runtime._workers[key] = [each for each in workers if each.in_use]
                    ended += [each for each in workers if not each.in_use]
        threading.Thread(target=lambda_runtime.kill_workers, args=(ended,)).start()
        return answer

    return moved


def action_of(method: str, path: str) -> str | None:
    """The action of Lambda that a request is, by the routes of its API; `Invoke` is the one whose action has another name."""
    found = iam_actions._match_rest_action("lambda", method, path, {})
    return "InvokeFunction" if found in ("Invoke", "InvokeAsync") else found


if __name__ == "__main__":
    iam_actions._BOTOCORE_SERVICE_MAP["lambda"] = ["lambda"]
    iam_actions._lambda_action = action_of
    lambda_runtime.zipfile = SimpleNamespace(**{**vars(zipfile), "ZipFile": Bundle})
    lambda_runtime.get_or_create_worker = of_version
    lambda_svc._update_alias = tidied(lambda_svc._update_alias)
    app.main()
