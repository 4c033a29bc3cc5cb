"""`make restore STAGE=prod ARGS='--to prod-2 --at 2026-11-28T08:00:00Z'`: a stage's documents as they were, as another stage.

DynamoDB restores a table to a new name, without its stream, expiry, tags and recovery, and cuts each table at an instant of its
own ("Restoring a DynamoDB table to a point in time"). So every table that a stage keeps is restored, given back what it lost, and
taken into a stack of its own; `make deploy STAGE=prod-2` with the code of that time brings the rest. The stage that is restored
from is only read.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.data.errors import ConcaveError
from chalicelib.environment import BadSetting
from chalicelib.settings import Settings
from infra.account import Account, NotDone, account, stack_name, upload
from infra.deploy import await_stack, template_url
from infra.deployed import Deployed
from infra.destroy import kept_tables
from infra.package import BUILD, TEMPLATE, NotPackaged, package

AT_ONCE = 20
"""Tables that are restored at once; DynamoDB lets an account restore fifty."""
Tell = Callable[[str], object]


def restore(where: Account, stage: str, to: str, at: datetime | None, tell: Tell, poll_s: float = 5.0) -> list[str]:
    """Restore the kept tables of a stage under the names of another.

    Args:
        where: the account.
        stage: what is restored.
        to: the new stage's name.
        at: the moment; None: the latest that can be restored.
        tell: takes a line of progress.
        poll_s: seconds between two looks at DynamoDB.

    Returns:
        The new tables.

    Raises:
        NotDone: there is nothing to restore, or the new stage has tables already; nothing was touched.
    """
    client, start = where.client("dynamodb"), f"{stack_name(stage)}-"
    names = {name: f"{stack_name(to)}-{name.removeprefix(start)}" for name in kept_tables(client, stage)}
    if not names:
        raise NotDone(f"{stack_name(stage)} has no tables to restore")
    if taken := kept_tables(client, to):
        raise NotDone(f"{stack_name(to)} has tables already: {', '.join(taken)}; restore to another name")
    moment: dict[str, Any] = {"UseLatestRestorableTime": True} if at is None else {"RestoreDateTime": at}
    waiting = list(names.items())
    while waiting:
        group, waiting = waiting[:AT_ONCE], waiting[AT_ONCE:]
        for source, target in group:
            client.restore_table_to_point_in_time(SourceTableName=source, TargetTableName=target, **moment)
        for source, target in group:
            _until_active(client, target, poll_s)
            _given_back(client, source, target, to)
            tell(f"restored {target}")
    return list(names.values())


def _until_active(client: Any, name: str, poll_s: float) -> dict[str, Any]:
    while True:
        table: dict[str, Any] = client.describe_table(TableName=name)["Table"]
        if table["TableStatus"] == "ACTIVE":
            return table
        time.sleep(poll_s)


def _given_back(client: Any, source: str, target: str, to: str) -> None:
    """What a restored table lacks: stream, expiry, its stage's tag, recovery."""
    was = client.describe_table(TableName=source)["Table"]
    stream = was.get("StreamSpecification") or {}
    if stream.get("StreamEnabled"):
        client.update_table(TableName=target, StreamSpecification=stream)
        _until_active(client, target, 1.0)
    expiry = client.describe_time_to_live(TableName=source)["TimeToLiveDescription"]
    if expiry["TimeToLiveStatus"] in ("ENABLED", "ENABLING"):
        wanted = {"Enabled": True, "AttributeName": expiry["AttributeName"]}
        client.update_time_to_live(TableName=target, TimeToLiveSpecification=wanted)
    arn = client.describe_table(TableName=target)["Table"]["TableArn"]
    client.tag_resource(ResourceArn=arn, Tags=[{"Key": "concave:stage", "Value": to}])
    client.update_continuous_backups(TableName=target, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True})


def adopt(where: Account, to: str, folder: Path, tables: Sequence[str], tell: Tell, poll_s: float = 5.0) -> None:
    """Take restored tables into the stack of their stage, by CloudFormation's resource import.

    Args:
        folder: what `make package` wrote for that stage.
        tables: their names.

    Raises:
        NotDone: the code declares tables that were not restored, or CloudFormation refuses.
    """
    whole = json.loads((folder / TEMPLATE).read_text())
    found = {
        logical: each for logical, each in whole["Resources"].items() if each.get("Properties", {}).get("TableName") in tables
    }
    missing = sorted(set(tables) - {each["Properties"]["TableName"] for each in found.values()})
    if missing:
        raise NotDone(f"this code declares no table for {', '.join(missing)}: package the code of that time")
    sent = folder / "restored.json"
    sent.write_text(json.dumps({"Resources": found}))
    client, name = where.client("cloudformation"), stack_name(to)
    named = [
        {
            "ResourceType": each["Type"],
            "LogicalResourceId": logical,
            "ResourceIdentifier": {"TableName": each["Properties"]["TableName"]},
        }
        for logical, each in found.items()
    ]
    change = client.create_change_set(
        StackName=name,
        ChangeSetName="restore",
        ChangeSetType="IMPORT",
        TemplateURL=template_url(where, upload(where, to, sent)),
        ResourcesToImport=named,
    )
    await_stack(client, name, change["Id"], tell, poll_s)


def main(arguments: Sequence[str]) -> int:
    """Restore the stage named by STAGE (default dev)."""
    parser = argparse.ArgumentParser(prog="make restore", description="A stage's documents as they were, as another stage.")
    parser.add_argument("--to", required=True, metavar="STAGE", help="the new stage")
    parser.add_argument("--at", type=datetime.fromisoformat, help="the moment, as 2026-11-28T08:00:00Z; otherwise the latest")
    asked = parser.parse_args(arguments)
    try:
        given = {name: os.environ[name] for name in ("STAGE", "CONCAVE_APPS") if os.environ.get(name)}
        source, target = (Settings.from_env({"STAGE": "dev", **given, **more}) for more in ({}, {"STAGE": asked.to}))
        assert source.stage is not None
        assert target.stage is not None
        where, folder = account(), BUILD / target.stage
        package(target.stage, target.apps, folder)

        def tell(line: str) -> None:
            sys.stdout.write(f"  {line}\n")

        tables = restore(where, source.stage, target.stage, asked.at, tell)
        adopt(where, target.stage, folder, tables, tell)
        wrong = Deployed(target.stage, target.apps, where.region).audit(tell)
    except (NotDone, NotPackaged, BadSetting, ConcaveError, BotoCoreError, ClientError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{len(tables)} tables of {stack_name(target.stage)}; now: make deploy STAGE={target.stage}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
