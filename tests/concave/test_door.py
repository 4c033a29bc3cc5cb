"""The key with which the command line opens the server of its own machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.runtime.operators import Operators, public_half
from concave.cli.door import opened
from infra.local.operators import SystemClock, operator_key


@pytest.mark.parametrize(
    ("user", "named"),
    [
        ("ada", "ada"),
        ("jean-luc", "jean_luc"),
        ("Zoë Ångström", "Zo___ngstr_m"),
        ("x" * 80, "x" * 40),
        ("", "cli"),
        ("a|b:c", "a_b_c"),
    ],
)
def test_whoever_is_signed_in_at_the_machine_may_operate_it_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: str, named: str
) -> None:
    for name in ("CONCAVE_URL", "CONCAVE_ADMIN_KEY", "OPERATOR_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("USER", user)
    (tmp_path / "port").write_text("3210")
    private = operator_key(tmp_path)
    door = opened(None, None, tmp_path)
    found = Operators([public_half(private)], SystemClock(), "_public").user(door.key)
    assert (door.url, found.operator_role, found.operator_name) == ("http://127.0.0.1:3210", "edit", named)
