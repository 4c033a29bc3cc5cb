"""What happens to a stage after its first deployment: new indexes, an update that fails, a restore, its end.

The tests go on from one another, as a stage's life does; they are the last of a run, since they take it down.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from infra.account import NotDone
from infra.deploy import deploy
from infra.package import BUILD, TEMPLATE
from tests.cloud.stage import APPS, STAGE, Stage
from tests.infra.test_bundle import here_is_lambda

pytestmark = [here_is_lambda, pytest.mark.timeout(600)]

FIRST, SECOND = (f"{APPS},tests.cloud.apps.{each}" for each in ("first", "second"))
AGAIN = "restored"


def test_two_new_indexes_come_to_documents_that_are_there(stage: Stage) -> None:
    stage.deploy(FIRST)
    for year in (1989, 1990, 1990):
        stage.call("mutation", "first:add", author="ann", year=year)
    assert stage.call("query", "first:of", author="ann") == 3
    said = stage.deploy(SECOND)
    assert "step 1 of 2" in said
    assert "step 2 of 2" in said
    assert stage.call("query", "second:of", year=1990) == 2
    assert stage.call("query", "second:newest", author="ann") == 1990


def test_an_update_that_fails_is_rolled_back_and_the_old_code_answers(stage: Stage, tmp_path: Path) -> None:
    """A function at the edge has a name that is taken in the account."""
    packaged = tmp_path / "packaged"
    shutil.copytree(BUILD / STAGE, packaged)
    template = json.loads((packaged / TEMPLATE).read_text())
    template["Resources"]["Taken"] = template["Resources"]["PagePath"]
    (packaged / TEMPLATE).write_text(json.dumps(template))
    told: list[str] = []
    with pytest.raises(NotDone, match="ROLLBACK"):
        deploy(stage.operator(), STAGE, packaged, {}, told.append, poll_s=0.2)
    assert any(line.startswith("Taken: ") for line in told)
    assert stage.call("query", "second:of", year=1990) == 2


def test_a_stage_is_restored_as_another_with_every_document(stage: Stage) -> None:
    """The drill: tables with stream, expiry and recovery, every document the same, and the code answers from them."""
    done = stage.run("infra.restore", "--to", AGAIN, apps=SECOND)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    assert "does not agree" not in done.stdout
    client = stage.account.client("dynamodb")
    before, after = (_tables(client, f"concave-{each}-") for each in (STAGE, AGAIN))
    assert set(after) == set(before) - {"mailboxes", "subscriptions", "inbox", "watches"}
    for name, kept in after.items():
        assert kept == {**before[name], "recovery": "ENABLED"}, name
    assert sum(len(kept["items"]) for kept in after.values()) > 10
    deployed = stage.run("infra.deploy", "--no-smoke", apps=SECOND, STAGE=AGAIN)
    assert deployed.returncode == 0, f"{deployed.stdout}{deployed.stderr}"
    looked = stage.run("infra.admin", "run", "second:of", '{"year": 1990}', "--org", "_public", apps=SECOND, STAGE=AGAIN)
    assert json.loads(looked.stdout) == 2, looked.stderr
    ended = stage.run("infra.destroy", "--erase-data", AGAIN, apps=SECOND, STAGE=AGAIN)
    assert ended.returncode == 0, ended.stderr


def _tables(client: Any, start: str) -> dict[str, dict[str, Any]]:
    """By name: its items, and what a restore must give back."""
    found = {}
    for name in (each for page in client.get_paginator("list_tables").paginate() for each in page["TableNames"]):
        if name.startswith(start):
            table = client.describe_table(TableName=name)["Table"]
            items = [item for page in client.get_paginator("scan").paginate(TableName=name) for item in page["Items"]]
            expiry = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
            kept = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
            found[name.removeprefix(start)] = {
                "items": sorted(items, key=lambda item: json.dumps(item, sort_keys=True, default=str)),
                "stream": (table.get("StreamSpecification") or {}).get("StreamEnabled", False),
                "expiry": expiry.get("AttributeName"),
                "recovery": kept["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"],
                "indexes": sorted(each["IndexName"] for each in table.get("GlobalSecondaryIndexes", ())),
            }
    return found


def test_a_stage_with_data_is_not_taken_down_unless_that_is_said(stage: Stage) -> None:
    refused = stage.run("infra.destroy", apps=SECOND)
    assert refused.returncode == 1
    assert "holds data in" in refused.stderr
    done = stage.run("infra.destroy", "--erase-data", STAGE, apps=SECOND)
    assert done.returncode == 0, done.stderr
    left = stage.account.client("dynamodb").list_tables()["TableNames"]
    assert [each for each in left if each.startswith(f"concave-{STAGE}-")] == []
    names = [each["FunctionName"] for each in stage.account.client("lambda").list_functions()["Functions"]]
    assert [each for each in names if each.startswith(f"concave-{STAGE}-")] == []
