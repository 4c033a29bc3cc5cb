"""What is written for one of everything, and what is said where TypeScript has no word."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from chalicelib.data import values
from chalicelib.data.errors import BadRequest
from chalicelib.runtime.registry import load
from chalicelib.runtime.validate import bind
from infra.codegen.files import generate

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden"
SAMPLE = ("tests.codegen.sample",)


def codegen(folder: Path = ROOT, **env: str) -> subprocess.CompletedProcess[str]:
    """`make codegen` without make."""
    keep = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    command = [sys.executable, "-m", "infra.codegen"]
    path = os.pathsep.join([str(folder), str(ROOT)])
    return subprocess.run(
        command, cwd=folder, env={**keep, "PYTHONPATH": path, **env}, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("name", ["api.ts", "dataModel.ts", "errors.ts"])
def test_the_sample_app_has_its_golden_types(name: str) -> None:
    assert generate(SAMPLE)[name] == (GOLDEN / name).read_text()


def test_the_same_comes_out_in_another_process_whatever_else_is_loaded(tmp_path: Path) -> None:
    done = codegen(OUT=str(tmp_path), CONCAVE_APPS=SAMPLE[0], PYTHONHASHSEED="7")
    assert done.returncode == 0, done.stderr
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == generate(SAMPLE)


def test_the_types_of_the_page_are_fresh() -> None:
    done = codegen(CHECK="1")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_check_names_what_is_stale_and_the_command(tmp_path: Path) -> None:
    assert codegen(OUT=str(tmp_path)).returncode == 0
    assert codegen(OUT=str(tmp_path), CHECK="1").returncode == 0
    with (tmp_path / "api.ts").open("a") as file:
        file.write("// by hand\n")
    done = codegen(OUT=str(tmp_path), CHECK="1")
    assert done.returncode == 1
    assert f"api.ts is not what the functions say; run `make codegen OUT={tmp_path}`" in done.stderr
    assert (tmp_path / "api.ts").read_text().endswith("// by hand\n")


UNIONS = "If a type union contains multiple Struct types"
REFUSED = {
    "(ctx, when: datetime) -> None": ("argument `when`: datetime is not a value that clients send or get; use a float:", 6),
    "(ctx, at: complex) -> None": ("argument `at`: complex is not a value that clients send or get", 6),
    "(ctx, by: dict[int, str]) -> None": ("argument `by`: the keys of an object are strings, not int", 6),
    "(ctx, one: list[Row]) -> None": ("argument `one`, Row, `place`: decimal is not a value that clients send or get; use", 6),
    "(ctx, two: Row | Other) -> None": (f"argument `two`: {UNIONS}", 6),
    "(ctx) -> set[int]": ("result: set is not a value that clients send or get; use a list", 6),
    "(ctx) -> Tagged": ("result: the tag of Tagged is not told to clients", 6),
}


@pytest.mark.parametrize("signature", REFUSED)
def test_what_has_no_type_is_an_error_with_function_argument_and_line(signature: str, tmp_path: Path) -> None:
    text, line = REFUSED[signature]
    source = """
        from __future__ import annotations
        from datetime import datetime
        from decimal import Decimal
        import msgspec
        from chalicelib import mutation
        @mutation
        def add SIGNATURE:
            ...
        # the place of Row
        class Row(msgspec.Struct):
            place: Decimal
        class Other(msgspec.Struct):
            place: int
        class Tagged(msgspec.Struct, tag=True):
            place: int
        """
    (tmp_path / "wrong.py").write_text(textwrap.dedent(source).lstrip("\n").replace("SIGNATURE", signature))
    done = codegen(tmp_path, OUT=str(tmp_path / "out"), CONCAVE_APPS="wrong")
    assert done.returncode == 1
    assert f"wrong:add, {text}" in done.stderr
    assert f"wrong.py:{line}" in done.stderr
    assert not (tmp_path / "out").exists()


def test_what_the_types_say_of_absent_fields_is_what_the_engine_does() -> None:
    """`fromTop?` in and `fromTop` out, `label?` on both: see `Corner` and `CornerInput` in golden/api.ts."""
    add = load(SAMPLE).get("sample:add")
    bound = bind(add, {"owner": "ada", "colours": [], "outline": {"corners": [{"fromLeft": 1.5}]}})
    assert values.encode(bound["outline"]) == {"corners": [{"fromLeft": 1.5, "fromTop": 0}]}
    assert bound["either"] == 7
    with pytest.raises(BadRequest, match="missing the required field `fromLeft`"):
        bind(add, {"owner": "ada", "colours": [], "outline": {"corners": [{}]}})
