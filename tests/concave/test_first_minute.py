"""The first minute of a newcomer: from an empty folder to a live value, a change, its types, a call and a test, by a clock."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from convex import ConvexClient

from tests.concave.test_installed import Dev, built_wheel, concave, environment

GOAL_S = 180
"""What it should take, nothing being downloaded; it is told and not judged, for this machine may be busy."""


class Stopwatch:
    """What each step took."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, float]] = []

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.steps.append((name, time.monotonic() - began))

    def __str__(self) -> str:
        told = [f"  {seconds:6.1f} s  {name}" for name, seconds in self.steps]
        live = sum(seconds for _, seconds in self.steps[: [name for name, _ in self.steps].index("the first live value") + 1])
        whole = sum(seconds for _, seconds in self.steps)
        return "\n".join(
            ["", *told, f"  {live:6.1f} s  until the first live value", f"  {whole:6.1f} s  in all (goal: {GOAL_S})"]
        )


def test_the_first_minute_leads_from_an_empty_folder_to_a_tested_change(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    watch = Stopwatch()
    wheel = built_wheel(tmp_path)  # a newcomer downloads it
    with watch.step("an environment, and pip install"):
        programs = environment(tmp_path / "venv", wheel)
    with watch.step("concave new"):
        assert concave(programs, tmp_path, "new", "shop").returncode == 0
    project = tmp_path / "shop"
    with watch.step("concave dev answers"):
        dev = Dev(programs, project)
    try:
        with watch.step("the first live value"):
            client = ConvexClient(dev.url)
            live = iter(client.subscribe("messages:latest", {}))
            assert next(live) == []
            client.mutation("messages:send", {"text": "Hello"})
            assert [each["text"] for each in next(live)] == ["Hello"]
        with watch.step("a function is changed; its types are there"):
            file = project / "shop" / "messages.py"
            file.write_text(file.read_text().replace("limit: int = 50)", "most: int = 50)").replace("limit,", "most,"))
            dev.hear("written to")
            assert "most?: number" in (project / "page" / "src" / "generated" / "api.ts").read_text()
        with watch.step("concave run"):
            ran = concave(programs, project, "run", "messages:latest", '{"most": 1}')
            assert (ran.returncode, "Hello" in ran.stdout) == (0, True), ran.stdout + ran.stderr
        with watch.step("its test"):
            (project / "tests" / "test_most.py").write_text(TEST)
            command = [str(programs / "python"), "-m", "pytest", "-q", "tests/test_most.py"]
            tested = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
            assert tested.returncode == 0, tested.stdout + tested.stderr
    finally:
        dev.process.terminate()
        dev.process.wait(20)
        assert dev.process.stdout is not None
        dev.process.stdout.close()
    with capsys.disabled():
        print(watch)


TEST = """\
from concave.testing import App


def test_no_more_are_told_than_were_asked_for() -> None:
    with App("shop") as app:
        ada = app.user("ada")
        for text in ("one", "two"):
            ada.mutation("messages:send", text=text)
        assert len(ada.query("messages:latest", most=1)) == 1
"""
