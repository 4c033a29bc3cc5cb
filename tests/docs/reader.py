"""A newcomer who types what a page says, in a clone of the project: saves snippets, runs commands, compares what is told."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import yaml

from tests.docs.exceptions import ALONE, LASTING, SERVERS, dry
from tests.docs.pages import ROOT, RUN, SAVED, TOLD, Block

ADDRESS = "127.0.0.1:3210"
MARK = "the block has ended"
NODE = re.compile(r"\b(node|npm)\b")
SECONDS = 60
PACKAGES = [ROOT / "tests" / name / "node_modules" for name in ("clients", "clients-chat")]

NPM = """#!/bin/sh
# `npm install --prefix FOLDER NAME...` without the registry: the packages that this project's lock files pin.
[ "$1 $2" = "install --prefix" ] || { echo "npm $*: only install --prefix FOLDER NAME is known here" >&2; exit 1; }
mkdir -p "$3/node_modules"; into=$3; shift 3
for name; do
  for from in %s; do [ -d "$from/$name" ] && ln -sfn "$from/$name" "$into/node_modules/$name"; done
  [ -e "$into/node_modules/$name" ] || { echo "npm: $name is not among the packages of the tests" >&2; exit 1; }
done
"""
STRICT = """set -eu -o pipefail
curl() { command curl --fail-with-body -sS "$@"; }
"""


def _steps(text: str) -> None:
    """A workflow of continuous integration: it can be read, and every word of `make` that it runs is one. Raises `Wrong`."""
    words = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for name, job in yaml.safe_load(text)["jobs"].items():
        for step in job["steps"]:
            for word in step.get("run", "").split()[1:]:
                if not (word in words or "=" in word or "/" in word):
                    raise Wrong(f"{name}: `make {word}` is no word of the Makefile")


class Wrong(AssertionError):
    """A page says something that is not so."""


class Lasting:
    """A command that goes on until it is stopped, such as `make dev`."""

    def __init__(self, command: str, folder: Path, env: dict[str, str]) -> None:
        self.told = ""
        self._heard = threading.Condition()
        self._process = subprocess.Popen(
            ["bash", "-c", command],
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                with self._heard:
                    self.told += line
                    self._heard.notify_all()
        with self._heard:
            self._heard.notify_all()

    def hear(self, pattern: str) -> re.Match[str]:
        """Wait until it has said this; `Wrong` when it ends or takes too long."""
        with self._heard:
            self._heard.wait_for(lambda: re.search(pattern, self.told) or not self._thread.is_alive(), SECONDS)
            found = re.search(pattern, self.told)
        if found is None:
            raise Wrong(f"waited for {pattern!r}; it said\n{self.told}")
        return found

    def stop(self) -> None:
        """Ctrl-C, for it and what it has started."""
        for number in (signal.SIGINT, signal.SIGKILL):
            try:
                os.killpg(self._process.pid, number)
                self._process.wait(10)
            except ProcessLookupError:
                return
            except subprocess.TimeoutExpired:
                continue


class Reader:
    """Someone at a fresh clone.

    Args:
        folder: an empty folder, where the clone is made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "concave"
        self.saved: list[Path] = []
        """Snippets, in the order of the page."""
        self.passed_over: list[str] = []
        """Commands that need Node where there is none."""
        self._port = "0"
        self._lasting: dict[str, Lasting] = {}
        self._clone()
        tools = folder / "bin"
        tools.mkdir()
        (tools / "npm").write_text(NPM % " ".join(map(str, PACKAGES)))
        (tools / "npm").chmod(0o755)
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
        self._env = {**kept, "PYTHONUNBUFFERED": "1"}
        self._shell = subprocess.Popen(
            ["bash"],
            cwd=self.folder,
            env={**self._env, "PATH": f"{tools}:{kept['PATH']}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
        )
        self._source(STRICT)

    def _clone(self) -> None:
        """The project's files, with what `make` would install: it is here already, as these tests run with it."""
        asked = ["git", "ls-files", "-co", "--exclude-standard"]
        names = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
        for name in filter(lambda name: (ROOT / name).is_file(), names):
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, self.folder / name)
        for name in ("requirements.txt", "requirements-server.txt", "requirements-dev.txt"):
            os.utime(self.folder / name, (0, 0))  # older than what is installed
        (self.folder / ".venv").symlink_to(sys.prefix)
        page, built = self.folder / "web" / "dist", ROOT / "web" / "dist"
        (self.folder / "web" / "node_modules").mkdir()
        (self.folder / "web" / "node_modules" / ".installed").touch()
        page.mkdir()
        if (built / "index.html").exists():
            shutil.copytree(built, page, dirs_exist_ok=True, copy_function=shutil.copyfile)
        else:
            (page / "index.html").write_text("The page has not been built here.")

    def read(self, page: list[Block]) -> None:
        """Do what a page says, in its order. Raises `Wrong` with the place on the page."""
        for block in page:
            try:
                self._follow(block)
            except Wrong as wrong:
                raise Wrong(f"{block.place}: {wrong}") from None

    def _follow(self, block: Block) -> None:
        if block.language in SAVED:
            if block.file is None:
                raise Wrong("a snippet begins with a comment that names its file")
            file = self.folder / block.file
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(self._here(block.text))
            self.saved.append(file)
        elif block.language in RUN:
            told = self._run(block)
            if block.answer is not None:
                compare(self._here(block.answer), told)
        elif block.language == "yaml":
            _steps(block.text)
        elif block.language not in TOLD:
            raise Wrong(f"`{block.language}` is none of {(*RUN, *SAVED, *TOLD)}")

    def _run(self, block: Block) -> str:
        special = [each for each in block.commands if self._is_special(each)]
        return "".join(map(self._one, block.commands)) if special else self._plain(block.text)

    def _is_special(self, command: str) -> bool:
        known = any(word in command for word in (*LASTING, *ALONE)) or dry(command)
        return bool(known or (NODE.search(command) and shutil.which("node") is None))

    def _one(self, command: str) -> str:
        if NODE.search(command) and shutil.which("node") is None:
            self.passed_over.append(command)
            return ""
        check = dry(command)
        if check is not None:
            return self._plain(check)
        for word, ready in LASTING.items():
            if word in command:
                return self._start(word, command, ready)
        if any(word in command for word in ALONE):
            self._end_servers()
        return self._plain(command)

    def _start(self, word: str, command: str, ready: str) -> str:
        self._end(word)
        if word in SERVERS:
            self._end_servers()
        self._lasting[word] = one = Lasting(
            command if word in SERVERS else self._here(command), self.folder, {**self._env, "PORT": self._port}
        )
        found = one.hear(ready)
        if word in SERVERS:
            self._port = found[1]
        return one.told

    def _end_servers(self) -> None:
        for word in SERVERS:
            self._end(word)

    def _end(self, word: str) -> None:
        if word in self._lasting:
            self._lasting.pop(word).stop()

    def _here(self, text: str) -> str:
        """A text with the address where the server is; it is started where the page takes for granted that `make dev` runs."""
        if ADDRESS in text and not any(word in self._lasting for word in SERVERS):
            self._start("make dev", "make dev", LASTING["make dev"])
        return text.replace(ADDRESS, f"127.0.0.1:{self._port}")

    def _plain(self, text: str) -> str:
        text = self._here(text)
        told = self._source(text)
        if re.search(r'"status": ?"error"', told):
            raise Wrong(f"{text.strip()}\n{told}")
        return told

    def _source(self, text: str) -> str:
        """Have the shell read these lines; what they print. A command that fails ends the shell, and is `Wrong`."""
        block = self.folder.parent / "block.sh"
        block.write_text(text)
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(f"source {shlex.quote(str(block))} </dev/null\necho; echo {MARK}\n")
        told = ""
        late = threading.Timer(SECONDS, self._shell.kill)
        late.start()
        for line in self._shell.stdout:
            if line == f"{MARK}\n":
                late.cancel()
                return told
            told += line
        late.cancel()
        raise Wrong(f"{text.strip()}\n{told}")

    def stop(self) -> None:
        """Close the terminals."""
        for word in list(self._lasting):
            self._end(word)
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.kill()
        self._shell.wait(10)
        self._shell.stdin.close()
        self._shell.stdout.close()


def compare(said: str, told: str) -> None:
    """What a page says that is printed, and what is. `…` stands for anything; white space does not matter."""
    pattern = ".*".join(re.escape(" ".join(part.split())) for part in said.split("…"))
    if not re.fullmatch(rf"\s*{pattern}\s*", " ".join(told.split()), re.DOTALL):
        raise Wrong(f"the page says\n{said}\nand it is\n{told}")
