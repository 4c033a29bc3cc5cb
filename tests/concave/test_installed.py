"""A project of one's own, from the wheel alone: made, tested, served, changed and seen, without this repository."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import urllib.request
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.guides.__main__ import FOLDER
from infra.guides.__main__ import build as build_guides
from tests.walk.server import ROOT

DEPENDENCIES = sysconfig.get_path("purelib")


def built_wheel(folder: Path) -> Path:
    """The wheel of this project as it lies here."""
    if not (ROOT / "web" / "dist" / "index.html").exists():
        pytest.skip("the wheel holds the page, which Node builds")
    if not (FOLDER / "index.html").exists():
        build_guides(ROOT, FOLDER)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "-w", str(folder), str(ROOT)], check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def environment(folder: Path, wheel: Path) -> Path:
    """The folder of programs of a new environment that has the wheel, and the libraries that this one has."""
    venv.create(folder, with_pip=True, symlinks=True)
    programs = folder / "bin"
    install = [str(programs / "pip"), "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    (site,) = (folder / "lib").glob("python*/site-packages")
    (site / "zz-libraries.pth").write_text(f"{DEPENDENCIES}\n")
    return programs


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment that has the wheel."""
    folder = tmp_path_factory.mktemp("installed")
    return environment(folder / "venv", built_wheel(folder))


def concave(installed: Path, folder: Path, *arguments: str, seconds: int = 60) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder."""
    keep = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    command = [str(installed / "concave"), *arguments]
    return subprocess.run(command, cwd=folder, env=keep, capture_output=True, text=True, check=False, timeout=seconds)


@pytest.fixture(scope="module")
def project(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new project."""
    folder = tmp_path_factory.mktemp("projects")
    done = concave(installed, folder, "new", "my-shop")
    assert done.returncode == 0, done.stderr
    return folder / "my-shop"


def test_the_backend_comes_from_the_wheel_and_not_from_here(installed: Path, tmp_path: Path) -> None:
    code = "import chalicelib, concave; print(chalicelib.__file__, concave.__file__)"
    told = subprocess.run(
        [str(installed / "python"), "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    assert str(ROOT) not in told.replace(DEPENDENCIES, "")
    assert "concave/backend/chalicelib" in told


def test_a_new_project_passes_its_tests_and_its_linter(installed: Path, project: Path) -> None:
    for program in ("pytest", "ruff check"):
        command = [str(installed / "python"), "-m", *program.split()]
        done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    assert concave(installed, project, "codegen", "--check").returncode == 0


def test_a_project_is_found_from_within_it_and_named_where_there_is_none(installed: Path, project: Path, tmp_path: Path) -> None:
    told = concave(installed, project / "tests", "functions", "--json")
    assert {json.loads(line)["path"] for line in told.stdout.splitlines()} == {"messages:latest", "messages:send"}
    nothing = concave(installed, tmp_path, "dev")
    assert (nothing.returncode, "concave new NAME" in nothing.stderr) == (1, True)


class Dev:
    """`concave dev` in a project."""

    def __init__(self, installed: Path, project: Path) -> None:
        keep = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
        command = [str(installed / "concave"), "dev", "--port", "0"]
        self.process = subprocess.Popen(
            command, cwd=project, env=keep, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self.process.stdout is not None
        self.lines: list[str] = []
        self.url = self.hear("Concave is running at ").rpartition(" ")[2]

    def hear(self, words: str) -> str:
        """The next line with these words."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            if words in line:
                return line.rstrip()
        raise AssertionError("\n".join(self.lines))

    def call(self, kind: str, path: str, **args: Any) -> Any:
        """A function over HTTP."""
        body = json.dumps({"path": path, "args": args}).encode()
        request = urllib.request.Request(f"{self.url}/api/{kind}", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)


@pytest.fixture
def dev(installed: Path, project: Path) -> Iterator[Dev]:
    running = Dev(installed, project)
    yield running
    running.process.terminate()
    running.process.wait(20)
    assert running.process.stdout is not None
    running.process.stdout.close()


def test_a_saved_file_is_served_and_its_types_are_written(dev: Dev, project: Path) -> None:
    assert dev.call("mutation", "messages:send", text="Hello")["status"] == "success"
    assert [each["text"] for each in dev.call("query", "messages:latest")["value"]] == ["Hello"]
    file, types = project / "my_shop" / "messages.py", project / "page" / "src" / "generated" / "api.ts"
    text = file.read_text().replace("limit: int = 50)", "most: int = 50)").replace("limit,", "most,")
    file.write_text(text)
    dev.hear("written to")
    assert "most?: number" in types.read_text()
    assert len(dev.call("query", "messages:latest", most=5)["value"]) == 1


@pytest.mark.parametrize("name", ["app", "concave", "json", "1st", "class", "infra"])
def test_a_name_that_would_hide_another_package_is_refused(installed: Path, tmp_path: Path, name: str) -> None:
    done = concave(installed, tmp_path, "new", name)
    assert (done.returncode, list(tmp_path.iterdir())) == (2, [])


def test_a_folder_with_something_in_it_is_left_alone(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    done = concave(installed, tmp_path, "new", "mine")
    assert (done.returncode, [each.name for each in (tmp_path / "mine").iterdir()]) == (1, ["letter.txt"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[tool.concave]\napp = ["x"]', "has no `app`"),
        ('[tool.concave]\napps = "x"', "`apps` must be a list of names"),
        ("[tool.concave]\nchat = 1", "`chat` must be true or false"),
        ("[tool.concave]\n", "names no package"),
        ("[tool.concave", "pyproject.toml"),
    ],
)
def test_what_a_project_says_wrongly_is_named(installed: Path, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    done = concave(installed, tmp_path, "functions")
    assert (done.returncode, said in done.stderr) == (1, True), done.stderr


def test_a_project_is_packaged_for_aws_from_the_wheel_with_its_own_code(installed: Path, project: Path, tmp_path: Path) -> None:
    done = concave(installed, project, "package", "dev", seconds=300)
    assert done.returncode == 0, done.stderr
    out = project / ".concave" / "deploy" / "build" / "dev"
    template = json.loads((out / "template.json").read_text())
    names = {each["Properties"].get("TableName") for each in template["Resources"].values()}
    assert "concave-dev-messages" in str(names)
    with zipfile.ZipFile(out / "deployment.zip") as bundle:
        assert {"app.py", "my_shop/messages.py"} <= set(bundle.namelist())
        assert not any(name.startswith(("infra/", "tests/")) for name in bundle.namelist())
        words = {name.partition(".")[0] for name in bundle.namelist() if name.startswith("concave/")}
        assert words <= {"concave/", "concave/__init__", "concave/__pycache__/__init__"}
        bundle.extractall(tmp_path)
    own = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {DEPENDENCIES!r}]"
    code = f"{own}; import my_shop.messages, concave; print(concave.__file__)"
    told = subprocess.run([sys.executable, "-I", "-S", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert told.stdout.startswith(str(tmp_path)), f"the words of the project are in its bundle: {told.stderr}"


def test_a_stage_that_is_not_there_is_said(installed: Path, project: Path) -> None:
    done = concave(installed, project, "deploy", "Not A Stage")
    assert done.returncode != 0
    assert "STAGE" in done.stderr
