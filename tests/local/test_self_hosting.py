"""What docs/self-hosting.md hands out: the container, the unit, the settings, the proxies' configurations."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import urllib.request
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from infra.local.listen import Listen
from infra.local.production import NotReady, production
from tests.local.test_stack import HOME, Process

FILES = HOME / "infra" / "self_hosting"
STEPS = re.findall(r"^([A-Z]+) ((?:.*\\\n)*.*)$", (HOME / "Dockerfile").read_text(), re.MULTILINE)


def server_stage() -> list[tuple[str, str]]:
    """The Dockerfile's steps after its last FROM."""
    last = max(number for number, (word, _) in enumerate(STEPS) if word == "FROM")
    return STEPS[last + 1 :]


def copied() -> list[tuple[list[str], str]]:
    """What the last stage copies from the project, and where to."""
    found = [shlex.split(rest) for word, rest in server_stage() if word == "COPY" and not rest.startswith("--from")]
    return [(words[:-1], words[-1]) for words in found]


def ignored(name: str) -> bool:
    """Whether .dockerignore keeps a file of the project from the build; the last line that fits counts."""
    out = False
    for line in (HOME / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!").removeprefix("**/")
        parts = Path(name).parts
        fits = any(fnmatch.fnmatch("/".join(parts[: end + 1]), pattern) for end in range(len(parts)))
        if line.removeprefix("!").startswith("**/"):
            fits = any(fnmatch.fnmatch(part, pattern) for part in parts)
        if fits:
            out = not line.startswith("!")
    return out


def foreign_modules() -> list[str]:
    """Top-level modules that are installed here and that requirements-server.txt does not bring."""
    wanted: set[str] = set()
    lines = [line for name in ("requirements.txt", "requirements-server.txt") for line in (HOME / name).read_text().splitlines()]
    todo = [Requirement(line).name for line in lines if line and not line.startswith("-r")]
    while todo:
        name = todo.pop().lower().replace("_", "-")
        if name not in wanted:
            wanted.add(name)
            needed = [Requirement(each) for each in distribution(name).requires or ()]
            todo += [each.name for each in needed if each.marker is None or each.marker.evaluate({"extra": ""})]
    owners = packages_distributions()
    return [module for module, of in owners.items() if not {each.lower().replace("_", "-") for each in of} & wanted]


class Container(Process):
    """The last stage of the Dockerfile in a folder: its files, its settings, its command, its packages and no others."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.root = folder / "concave"
        for sources, target in copied():
            for source in sources:
                into = self.root / target / (Path(source).name if target.endswith("/") else "")
                into.parent.mkdir(parents=True, exist_ok=True)
                if (HOME / source).is_dir():
                    shutil.copytree(HOME / source, into, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(HOME / source, into)
        folder.joinpath("only").mkdir()
        (folder / "only" / "sitecustomize.py").write_text(
            "import sys\n"
            "class Only:\n"
            "    def find_spec(self, name, path=None, target=None):\n"
            f"        if name.partition('.')[0] in {foreign_modules()!r}:\n"
            "            raise ModuleNotFoundError(f'{name} is not among the requirements of the server')\n"
            "sys.meta_path.insert(0, Only())\n"
        )
        super().__init__(folder, **env)

    def start(self) -> None:
        (self.data / "port").unlink(missing_ok=True)
        (command,) = [rest for word, rest in server_stage() if word == "CMD"]
        program = json.loads(command)
        assert program[0] == "python"
        settings = dict(each.split("=", 1) for word, rest in server_stage() if word == "ENV" for each in shlex.split(rest))
        settings |= {"DATA_DIR": str(self.data), "PORT": "0", "PATH": os.environ["PATH"], **self.env}
        settings["PYTHONPATH"] = str(self.folder / "only")
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([sys.executable, *program[1:]], cwd=self.root, env=settings, stdout=log, stderr=log)
        self.port = int(self.until(lambda: (self.data / "port").read_text()))


def test_the_container_serves_with_its_own_files_and_packages_only(tmp_path: Path) -> None:
    env = {"ALLOWED_HOSTS": "127.0.0.1", "DEV_TOKENS": "on", "SCRIPTED_MODEL": "on"}
    container = Container(tmp_path, **env)
    try:
        assert container.said().count("WARNING") == 2, "tokens for anybody, and plain HTTP on every address"
        token = json.loads(ask(container, "/dev/token", {"subject": "alice", "org": "acme"}))["token"]
        called = json.loads(ask(container, "/api/mutation", {"path": "chat:startSession", "args": {}}, token))
        assert called["status"] == "success", called
        sent = {"path": "chat:sendMessage", "args": {"sessionId": called["value"], "content": "/say hello"}}
        assert json.loads(ask(container, "/api/mutation", sent, token))["status"] == "success"
        asked = {"path": "chat:getMessages", "args": {"sessionId": called["value"]}}
        container.until(lambda: json.loads(ask(container, "/api/query", asked, token))["value"][-1]["content"].strip(), "hello")
        (check,) = [rest for word, rest in STEPS if word == "HEALTHCHECK"]
        command = json.loads(check.removeprefix("CMD "))
        healthy = subprocess.run([sys.executable, *command[1:]], env={"PORT": str(container.port)}, timeout=30, check=False)
        assert healthy.returncode == 0
        assert container.end(signal.SIGTERM) == 0
    finally:
        if container.process.poll() is None:
            container.end(signal.SIGKILL)


def ask(container: Process, path: str, body: object, token: str = "") -> str:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(f"http://127.0.0.1:{container.port}{path}", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return str(answer.read().decode())


def test_the_admins_commands_run_with_the_packages_of_the_server(tmp_path: Path) -> None:
    container = Container(tmp_path, ALLOWED_HOSTS="127.0.0.1", ANONYMOUS="on", CONCAVE_APPS="examples.counter")
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path / "only"), "DATA_DIR": str(container.data)}
    try:
        command = [sys.executable, "-m", "infra.admin", "backup", "--out", str(tmp_path / "copy")]
        done = subprocess.run(command, cwd=container.root, env=env, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
    finally:
        container.end(signal.SIGKILL)


def test_the_build_is_given_what_the_dockerfile_copies_and_no_data() -> None:
    named = [name for word, rest in STEPS if word == "COPY" and "--from" not in rest for name in shlex.split(rest)[:-1]]
    assert [name for name in named if not (HOME / name).exists() or ignored(name)] == []
    kept = (
        ".concave/concave.db",
        ".venv/bin/python",
        "web/node_modules/x/y.js",
        "web/dist/index.html",
        "tests/conftest.py",
        ".git/HEAD",
    )
    assert [name for name in kept if not ignored(name)] == []


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_the_unit_is_one(tmp_path: Path) -> None:
    unit = (FILES / "concave.service").read_text()
    here = unit.replace("/opt/concave/.venv/bin/python", sys.executable).replace("/opt/concave", str(HOME))
    (tmp_path / "concave.service").write_text(here.replace("User=concave\nGroup=concave\n", ""))
    command = ["systemd-analyze", "verify", str(tmp_path / "concave.service")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, [line for line in done.stderr.splitlines() if "concave" in line]) == (0, [])


def test_the_unit_starts_what_the_container_starts_and_gives_it_time_to_stop() -> None:
    unit = (FILES / "concave.service").read_text()
    (command,) = [rest for word, rest in STEPS if word == "CMD"]
    assert f"ExecStart=/opt/concave/.venv/bin/{' '.join(json.loads(command))}\n" in unit
    seconds = int(re.findall(r"TimeoutStopSec=(\d+)", unit)[0])
    assert seconds > 2 * Listen.from_env({}).stop_s
    files = int(re.findall(r"LimitNOFILE=(\d+)", unit)[0])
    assert files > Listen.from_env({}).connections


def test_the_settings_that_are_handed_out_lack_the_models_key_only() -> None:
    lines = [line for line in (FILES / "concave.env").read_text().splitlines() if line and not line.startswith("#")]
    env = dict(line.split("=", 1) for line in lines)
    with pytest.raises(NotReady) as missing:
        production(env)
    assert [each.partition(":")[0] for each in missing.value.missing] == ["No model could answer"]
    assert production({**env, "ANTHROPIC_API_KEY": "key"})[1].proxies == ("127.0.0.1",)


def test_the_proxies_pass_on_what_the_server_reads() -> None:
    nginx = (FILES / "nginx.conf").read_text()
    for line in (
        "Host $host",
        "Upgrade $http_upgrade",
        "X-Forwarded-For $proxy_add_x_forwarded_for",
        "X-Forwarded-Proto $scheme",
    ):
        assert f"proxy_set_header {line};" in nginx
    assert int(re.findall(r"proxy_read_timeout (\d+)s", nginx)[0]) > 50
    for name in ("nginx.conf", "Caddyfile"):
        assert "127.0.0.1:3210" in (FILES / name).read_text()
