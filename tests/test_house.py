"""The rules of the house that no other tool checks."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

from chalicelib.settings import VERSION

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("chalicelib", "infra", "tests", "examples")


def _sources() -> list[Path]:
    files = [path for room in ROOMS for path in (ROOT / room).rglob("*.py") if "node_modules" not in path.parts]
    return [*files, ROOT / "app.py"]


def _defined(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(path.read_text())
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_no_file_is_longer_than_400_lines() -> None:
    long = {str(path.relative_to(ROOT)): count for path in _sources() if (count := len(path.read_text().splitlines())) > 400}
    assert long == {}


def test_files_are_below_300_lines_and_functions_below_50_in_19_of_20_cases() -> None:
    files = [path for room in ("chalicelib", "infra") for path in (ROOT / room).rglob("*.py")]
    functions = [node for path in files for node in _defined(path)]
    lines = [(node.end_lineno or 0) - node.lineno + 1 for node in functions]
    assert _nineteen_of_twenty([len(path.read_text().splitlines()) for path in files]) < 300
    assert _nineteen_of_twenty(lines) < 50


def _nineteen_of_twenty(sizes: list[int]) -> int:
    """The 95th percentile: at most one in twenty is larger."""
    return sorted(sizes)[-(-len(sizes) * 19 // 20) - 1]


def test_every_file_with_code_opens_by_saying_what_it_is() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in _sources()
        if path.parts[len(ROOT.parts)] != "examples"
        and path.read_text().strip()
        and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def test_tests_are_plain_functions_and_patch_nothing() -> None:
    # The words are put together here so that this file does not find itself.
    forbidden = ["mock." + "patch", "monkeypatch." + "setattr", "class " + "Test"]
    found = [
        f"{path.relative_to(ROOT)}: {word}"
        for path in (ROOT / "tests").rglob("*.py")
        if "node_modules" not in path.parts
        for word in forbidden
        if word in path.read_text()
    ]
    assert found == []


def test_a_test_that_needs_a_loop_has_one_of_its_own() -> None:
    # The browser of tests/web keeps a loop running in the thread in which every later test of its process runs.
    call = "asyncio." + "run("
    found = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests").rglob("test_*.py")
        if "node_modules" not in path.parts and call in path.read_text()
    ]
    assert found == [], "use tests.support.loop.alone"


def test_a_person_on_a_shared_page_is_of_one_file() -> None:
    # All files of tests/web share two servers: who finds sessions of somebody else's test counts wrong, in some order of files.
    seen: dict[str, set[str]] = {}
    for path in (ROOT / "tests" / "web").glob("test_*.py"):
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in ("Reader", "Backend", "talked"):
                shared = any(ast.unparse(each).split(".")[0] in ("site", "either", "engine_site", "road") for each in call.args)
                names = [each.value for each in call.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
                for name in names if shared else []:
                    seen.setdefault(name, set()).add(path.name)
    assert {name: files for name, files in seen.items() if len(files) > 1} == {}


def test_app_holds_no_logic() -> None:
    branches = (ast.If, ast.For, ast.While, ast.Try, ast.With, ast.Match)
    thick = [
        function.name
        for function in _defined(ROOT / "app.py")
        if len(function.body) > 4 or any(isinstance(node, branches) for node in ast.walk(function))
    ]
    assert thick == []


def test_importing_app_loads_neither_the_model_sdk_nor_pynamodb() -> None:
    late = ("anthropic", "pynamodb", "websockets", "h11", "pywebpush")
    code = f"import app, sys; print([name for name in {late} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


def test_the_version_is_the_same_in_both_places() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION


def test_no_machine_path_and_no_registry_host_is_in_the_project() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    names = ["/" + "home/", "/" + "work/", "/" + "root/", "pypi" + ".org", "registry." + "npmjs", "files.python" + "hosted"]
    found = []
    for name in filter(None, tracked):
        text = (ROOT / name).read_bytes().decode("utf-8", "replace") if (ROOT / name).is_file() else ""
        found += [f"{name}: {word}" for word in names if word in text]
    assert found == []
