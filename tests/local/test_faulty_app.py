"""The local server around an app that fails in every way: it goes on serving, and its terminal says what and where."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.local.test_stack import COUNTER, HOME, Process

FAULTS = {
    "leaves": "import sys; sys.exit(3)",
    "interrupts": "raise KeyboardInterrupt",
    "kills": "raise SystemExit",
    "recurses": "recurses(ctx)",
    "runs_out": "raise MemoryError('hush')",
    "fails": "raise ValueError('hush')",
}
FAULTY = (
    COUNTER
    + "\n\n"
    + "\n\n".join(
        f"@{kind}\ndef {name}_{kind}(ctx):\n    ctx.log('trying')\n    {how.replace('recurses(', f'recurses_{kind}(')}\n"
        for name, how in FAULTS.items()
        for kind in ("query", "mutation", "action")
    )
)


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    folder = tmp_path_factory.mktemp("faulty")
    made = Process(folder)
    made.save(FAULTY.replace("import Index, MutationCtx", "import Index, action, MutationCtx"))
    made.until(lambda: "  reload   " in made.said(), True)
    yield made
    made.process.kill()
    made.process.wait(5)


@pytest.mark.parametrize("kind", ["query", "mutation", "action"])
@pytest.mark.parametrize("name", FAULTS)
def test_it_goes_on_serving_and_says_what_failed_and_where(process: Process, name: str, kind: str) -> None:
    path = f"stack_app:{name.replace('runs_out', 'runsOut')}{kind.title()}"
    told = process.call(kind, path)
    request = told["errorMessage"].partition("[Request ID: ")[2][:16]
    assert told["logLines"] == ["[LOG] 'trying'"] or name == "recurses"
    assert f"{process.folder}/stack_app.py:" in told["errorMessage"]
    (line,) = [each for each in process.said().splitlines() if request in each]
    assert path in line
    assert f"({process.folder}/stack_app.py:" in line
    assert process.call("query", "stack_app:read", name="a") == 0


def test_an_app_that_is_wrongly_declared_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "wrong_app.py").write_text(COUNTER.replace('Index("name")', 'Index("nmae")'))
    mine = {"CONCAVE_APPS": "wrong_app", "PORT": "0", "DATA_DIR": str(tmp_path / "data"), "PYTHONPATH": str(tmp_path)}
    env = {name: value for name, value in os.environ.items() if name not in ("STAGE", "STORE")} | mine
    command = [sys.executable, "-m", "infra.local"]
    done = subprocess.run(command, cwd=HOME, env=env, capture_output=True, text=True, check=False, timeout=60)
    line = COUNTER.splitlines().index('    by_name = Index("name")') + 1
    told = "the index stackCounts.by_name names the field nmae, which is not there (did you mean name?).\n"
    assert (done.returncode, done.stderr) == (1, f"concave: {tmp_path}/wrong_app.py:{line}: {told}")
