"""What is in the two zip files, and that it runs: unzipped, in a clean process, with the events that AWS sends."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from infra.bundle import SITE, BadBundle, finish_code, finish_layer, foreign, pack, too_new, tools

here_is_lambda = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64", reason="the bundle's libraries are for Linux on x86_64"
)
MODULES, LOADED_BYTES = 410, 6 * 2**20
"""The budget of a cold start: modules that `import app` loads (a third of them small ones of ours, a noun each), and the bytes
of their bytecode, which is what takes time (check 32)."""

COLD = """
import sys, os
import app
loaded = [m for m in list(sys.modules.values()) if getattr(m, "__cached__", None)]
size = sum(os.path.getsize(m.__cached__) for m in loaded if os.path.exists(m.__cached__))
missing = [m.__name__ for m in loaded if not os.path.exists(m.__cached__) and "site-packages" in m.__cached__]
heavy = ("anthropic", "pynamodb", "boto3", "botocore", "aws_lambda_powertools", "pywebpush", "pip")
servers = ("websockets", "h11", "http.server", "uvicorn", "starlette", "fastapi", "flask", "aiohttp")
print(len(sys.modules), size, [name for name in heavy + servers if name in sys.modules], missing)
"""


@pytest.fixture(scope="module")
def unzipped(packaged: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundles as Lambda unpacks them: `task` and `opt`."""
    root = tmp_path_factory.mktemp("lambda")
    for bundle, folder in (("deployment.zip", "task"), ("layer-deployment.zip", "opt")):
        with zipfile.ZipFile(packaged / bundle) as archive:
            archive.extractall(root / folder)
    return root


def _python(unzipped: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Python with the bundle and nothing else: no virtual environment, no user's packages, no variables of this process."""
    env = {
        "PYTHONPATH": f"{unzipped / 'task'}:{unzipped / 'opt' / SITE}",
        "AWS_REGION": "us-east-1",
        "STAGE": "dev",
        "PATH": os.environ["PATH"],
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    base = getattr(sys, "_base_executable", sys.executable)
    return subprocess.run(
        [base, "-S", "-s", *arguments], cwd=unzipped, env=env, capture_output=True, text=True, timeout=100, check=False
    )


@here_is_lambda
def test_the_app_imports_from_the_bundle_alone_and_within_its_budget(unzipped: Path) -> None:
    done = _python(unzipped, "-c", COLD)
    assert done.returncode == 0, done.stderr
    count, size, rest = done.stdout.split(" ", 2)
    assert rest.strip() == "[] []"
    assert int(count) < MODULES
    assert int(size) < LOADED_BYTES


TABLES = """
import app
from chalicelib.data.tables import all_specs
from chalicelib.runtime.registry import load
load(("chalicelib.functions", "examples.counter", "tests.apps.permitted"))
print(*sorted(spec.name for spec in all_specs()))
"""


@here_is_lambda
def test_the_template_has_every_table_that_the_bundle_knows(unzipped: Path, template: dict[str, Any]) -> None:
    done = _python(unzipped, "-c", TABLES)
    assert done.returncode == 0, done.stderr
    made = {each["Properties"]["TableName"] for each in template["Resources"].values() if each["Type"] == "AWS::DynamoDB::Table"}
    assert {f"concave-dev-{name}" for name in done.stdout.split()} == made


@here_is_lambda
def test_every_library_in_the_layer_is_for_this_python_and_machine(unzipped: Path) -> None:
    site = unzipped / "opt" / SITE
    assert foreign(site, "x86_64") == []
    assert too_new(site, sys.version_info[:2]) == []
    assert foreign(site, "arm64") != []  # the check sees the difference


def test_all_code_in_the_bundles_has_bytecode_that_is_not_compared_with_its_source(packaged: Path) -> None:
    for bundle in ("deployment.zip", "layer-deployment.zip"):
        with zipfile.ZipFile(packaged / bundle) as archive:
            names = set(archive.namelist())
            sources = [name for name in names if name.endswith(".py")]
            tag = f"cpython-{sys.version_info[0]}{sys.version_info[1]}.pyc"
            lacking = [name for name in sources if _cached(name, tag) not in names]
            assert len(lacking) <= 3, lacking  # files for another Python, which do not compile
            flags = archive.read(next(_cached(name, tag) for name in sources if _cached(name, tag) in names))[4:8]
            assert int.from_bytes(flags, "little") == 0b01  # checked by hash, and not checked (PEP 552)


def _cached(source: str, tag: str) -> str:
    folder, _, name = source.rpartition("/")
    return f"{folder}/__pycache__/{name[:-3]}.{tag}".lstrip("/")


def test_the_layer_has_no_tools_and_the_code_has_the_apps_packages(packaged: Path) -> None:
    with zipfile.ZipFile(packaged / "layer-deployment.zip") as archive:
        tops = {name.removeprefix(f"{SITE}/").partition("/")[0] for name in archive.namelist()}
    assert tops.isdisjoint({"pip", "setuptools", "wheel", "inquirer", "yaml", "click"})
    assert {"boto3", "anthropic", "msgspec", "pynamodb", "aws_lambda_powertools", "cryptography"} <= tops
    with zipfile.ZipFile(packaged / "deployment.zip") as archive:
        assert {name.partition("/")[0] for name in archive.namelist()} == {
            "app.py",
            "chalice",
            "chalicelib",
            "concave",  # the public words alone
            "examples",
            "tests",  # of tests.apps.permitted
            "__pycache__",
        }


def test_the_same_files_make_the_same_zip(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "b.py").write_text("b = 1\n")
    (folder / "a.py").write_text("a = 1\n")
    pack(folder, tmp_path / "one.zip")
    os.utime(folder / "a.py", (0, 10**9))
    pack(folder, tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_bytecode_that_another_python_or_a_file_of_before_left_is_not_deployed(tmp_path: Path) -> None:
    """It would be carried to every cold start, and make another release of the same code."""
    folder = tmp_path / "code"
    (folder / "__pycache__").mkdir(parents=True)
    (folder / "app.py").write_text("a = 1\n")
    for left in ("app.cpython-310.pyc", "gone.cpython-313.pyc"):
        (folder / "__pycache__" / left).write_bytes(b"left")
    pack(folder, tmp_path / "code.zip")
    finish_code(tmp_path / "code.zip", tmp_path, ())
    with zipfile.ZipFile(tmp_path / "code.zip") as archive:
        names = [name for name in archive.namelist() if name.startswith("__pycache__")]
    assert names == [f"__pycache__/app.cpython-{sys.version_info[0]}{sys.version_info[1]}.pyc"]


def test_an_app_that_is_not_there_cannot_be_packaged(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "code.zip", "w") as archive:
        archive.writestr("app.py", "")
    with pytest.raises(BadBundle, match="CONCAVE_APPS names shop"):
        finish_code(tmp_path / "code.zip", tmp_path, ["shop.orders"])


def test_a_library_for_another_machine_is_found(tmp_path: Path) -> None:
    site = tmp_path / "layer" / SITE
    site.mkdir(parents=True)
    (site / "fast.so").write_bytes(b"\x7fELF" + bytes(14) + (183).to_bytes(2, "little"))
    (site / "mac.dylib").write_bytes(b"")
    pack(tmp_path / "layer", tmp_path / "layer.zip")
    (tmp_path / "requirements.txt").write_text("")
    with pytest.raises(BadBundle, match=r"mac\.dylib, fast\.so"):
        finish_layer(tmp_path / "layer.zip", tmp_path / "requirements.txt", "x86_64", tmp_path / "cache")


def test_a_wheel_that_asks_for_a_newer_c_library_is_found(tmp_path: Path) -> None:
    info = tmp_path / "fast-1.0.dist-info"
    info.mkdir()
    (info / "WHEEL").write_text("Wheel-Version: 1.0\nTag: cp311-cp311-manylinux_2_34_x86_64\n")
    assert too_new(tmp_path, (3, 11)) == ["fast-1.0.dist-info"]
    assert too_new(tmp_path, (3, 13)) == []
    (info / "WHEEL").write_text("Tag: cp311-cp311-manylinux_2_34_x86_64\nTag: cp311-cp311-manylinux_2_17_x86_64\n")
    assert too_new(tmp_path, (3, 11)) == []


def test_what_only_chalice_needs_is_a_tool_and_what_others_need_too_is_not(tmp_path: Path) -> None:
    def install(name: str, *needs: str) -> None:
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n" + "".join(f"Requires-Dist: {n}\n" for n in needs)
        )

    install("chalice", "pip", "six", "terminal; python_version > '3'")
    install("boto3", "six", "crt; extra == 'crt'")
    for name in ("pip", "six", "terminal", "crt"):
        install(name)
    assert tools(tmp_path, ["chalice==1.0", "boto3==1.0  # the SDK"]) == ["chalice", "crt", "pip", "terminal"]
    assert tools(tmp_path, ["chalice==1.0", "boto3[crt]==1.0"]) == ["chalice", "pip", "terminal"]
