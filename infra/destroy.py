"""`make destroy STAGE=dev`: take a stage down. Refuses while it holds data, unless told what to do with it.

make destroy STAGE=dev                               only if every table is empty
make destroy STAGE=dev ARGS=--keep-data              the tables stay, and go on costing their storage
make destroy STAGE=dev ARGS='--erase-data dev'       the tables go too; the stage's name once more, so that nobody errs
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, Literal

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.data.building import SYSTEM_ORG
from chalicelib.environment import BadSetting
from chalicelib.settings import Settings
from infra.account import Account, NotDone, account, stack_name
from infra.deploy import until_gone
from infra.page import clear
from infra.template.tables import OF_CONNECTIONS

Data = Literal["refuse", "keep", "erase"]


def destroy(where: Account, stage: str, data: Data, tell: Callable[[str], object], poll_s: float = 5.0) -> list[str]:
    """Take a stage down.

    Args:
        where: the account.
        stage: its name.
        data: what happens to tables that hold items.
        tell: takes a line of progress.
        poll_s: seconds between two looks at CloudFormation.

    Returns:
        The tables that are left.

    Raises:
        NotDone: a table holds data and `data` is "refuse" (nothing was touched); or CloudFormation could not delete.
    """
    tables = where.client("dynamodb")
    kept = kept_tables(tables, stage)
    full = [name for name in kept if _holds_items(tables, name, of_an_org=True)]
    if full and data == "refuse":
        raise NotDone(
            f"{stack_name(stage)} holds data in {', '.join(full)}. To take it down and leave the tables: ARGS=--keep-data. "
            f"To erase them for good: ARGS='--erase-data {stage}'."
        )
    _delete_stack(where, stage, tell, poll_s)
    left = [name for name in kept if _holds_items(tables, name)] if data == "keep" else []
    for name in kept:
        # Retained tables outlive the stack. An empty one would only be in the way of the next deployment.
        if name not in left:
            tables.delete_table(TableName=name)
            tell(f"erased {name}")
    return left


def kept_tables(client: Any, stage: str) -> list[str]:
    """The tables of a stage that outlive its stack, whether there is a stack or not."""
    start = f"{stack_name(stage)}-"
    pages = client.get_paginator("list_tables").paginate()
    names = [name for page in pages for name in page["TableNames"] if name.startswith(start)]
    return [name for name in names if name.removeprefix(start) not in OF_CONNECTIONS and _is_of(client, name, stage)]


def _is_of(client: Any, name: str, stage: str) -> bool:
    """Tables carry their stage as a tag: `concave-dev-2-…` also begins like a table of `dev`."""
    arn = client.describe_table(TableName=name)["Table"]["TableArn"]
    tags = client.list_tags_of_resource(ResourceArn=arn).get("Tags", ())
    return {"Key": "concave:stage", "Value": stage} in tags


def _holds_items(client: Any, name: str, *, of_an_org: bool = False) -> bool:
    """Whether a table holds anything; `of_an_org`: but what a stage writes about itself (index states, the canary)."""
    asked: dict[str, Any] = {"TableName": name, "ConsistentRead": True}
    if not of_an_org:
        return bool(client.scan(**asked, Limit=1)["Items"])
    asked |= {
        "FilterExpression": "NOT begins_with(pk, :itself)",
        "ExpressionAttributeValues": {":itself": {"S": f"{SYSTEM_ORG}|"}},
    }
    pages = client.get_paginator("scan").paginate(**asked)
    return any(page["Items"] for page in pages)


def _delete_stack(where: Account, stage: str, tell: Callable[[str], object], poll_s: float) -> None:
    client, name = where.client("cloudformation"), stack_name(stage)
    try:
        (stack,) = client.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        tell(f"there is no stack {name}")
        return
    for output in stack.get("Outputs", ()):
        if output["OutputKey"] == "PageBucket":
            clear(where.client("s3"), output["OutputValue"])
    tell(f"deleting {name}; the edge takes some minutes")
    client.delete_stack(StackName=name)
    until_gone(client, stack["StackId"], poll_s)


def main(arguments: Sequence[str]) -> int:
    """Take down the stage named by STAGE (default dev)."""
    parser = argparse.ArgumentParser(prog="make destroy", description="Take a stage down.")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--keep-data", action="store_true", help="leave the tables")
    choice.add_argument("--erase-data", metavar="STAGE", help="erase the tables for good; repeat the stage's name")
    asked = parser.parse_args(arguments)
    try:
        settings = Settings.from_env({"STAGE": os.environ.get("STAGE") or "dev"})
        assert settings.stage is not None
        if asked.erase_data not in (None, settings.stage):
            raise NotDone(f"--erase-data names {asked.erase_data}, but STAGE is {settings.stage}: nothing was touched")
        data: Data = "keep" if asked.keep_data else "erase" if asked.erase_data else "refuse"
        left = destroy(account(), settings.stage, data, lambda line: sys.stdout.write(f"  {line}\n"))
    except (NotDone, BadSetting, BotoCoreError, ClientError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{stack_name(settings.stage)} is gone{'; left: ' + ', '.join(left) if left else ''}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
