"""Codes that are followed to where they are written, and names that are told apart."""

from __future__ import annotations

import textwrap
from pathlib import Path

from tests.codegen.test_types import codegen


def written(folder: Path, **files: str) -> dict[str, str]:
    """The types of an app `notes` of these modules."""
    (folder / "notes").mkdir()
    for name, source in files.items():
        (folder / "notes" / f"{name}.py").write_text("from chalicelib import *\n" + textwrap.dedent(source))
    done = codegen(folder, OUT=str(folder / "out"), CONCAVE_APPS="notes")
    assert done.returncode == 0, done.stderr
    return {path.name: path.read_text() for path in (folder / "out").iterdir()}


def test_codes_are_followed_through_helpers_of_other_modules(tmp_path: Path) -> None:
    helpers = """
        def first(text, *, code="None"):
            return second(code, text)
        def second(code, text):
            raise Refused(code, text)
        """
    uses = """
        from notes import helpers
        @query
        def one(ctx) -> None:
            from notes.helpers import second as late
            late("Late", "x")
            helpers.first("x", code="Early" if ctx.user else "Never")
        """
    errors = written(tmp_path, __init__="", helpers=helpers, uses=uses)["errors.ts"]
    assert 'ErrorCode =\n  | "Early"\n  | "Late"\n  | "Never";' in errors


def test_a_code_that_cannot_be_followed_leaves_the_union_open_and_is_named(tmp_path: Path) -> None:
    source = """
        @mutation
        def one(ctx, text: str) -> None:
            raise Refused(text.upper(), "x") if text else Refused("Empty", "x")
        """
    errors = written(tmp_path, __init__="", one=source)["errors.ts"]
    assert '"Empty"\n  | (string & {});' in errors
    assert "notes.one.one refuses with a code that is not written there" in errors


def test_two_structs_of_one_name_are_told_apart_by_their_modules(tmp_path: Path) -> None:
    source = """
        import msgspec
        class View(msgspec.Struct):
            FIELD: int
        class Promise(msgspec.Struct):
            FIELD: View
        @query
        def get(ctx) -> Promise: ...
        """
    left, right = (source.replace("FIELD", name) for name in ("left", "right"))
    api = written(tmp_path, __init__="", left_side=left, right=right)["api.ts"]
    assert "export interface LeftSideView {\n  left: number;" in api
    assert "export interface RightView {\n  right: number;" in api
    assert "export interface RightPromise {\n  right: RightView;" in api


def test_a_module_and_a_function_may_share_a_name_and_folders_nest(tmp_path: Path) -> None:
    source = """
        @query
        def inner(ctx, only: dict[str, bool]) -> int: ...
        """
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "deep").mkdir()
    for place, name in (("deep", "thing"), ("deep", "inner"), ("", "deep")):
        (tmp_path / "notes" / place / f"{name if place else 'deep/__init__'}.py").write_text(
            "from chalicelib import *\n" + textwrap.dedent(source)
        )
    (tmp_path / "notes" / "__init__.py").touch()
    done = codegen(tmp_path, OUT=str(tmp_path / "out"), CONCAVE_APPS="notes")
    assert done.returncode == 0, done.stderr
    lines = [line.strip() for line in (tmp_path / "out" / "api.ts").read_text().split("as unknown as")[1].splitlines()]
    inner = "inner: Query<{ only: Record<string, boolean> }, number>"
    assert lines == ["{", "deep: {", f"{inner} & {{", f"{inner};", "};", "thing: {", f"{inner};", "};", "};", "};"]
