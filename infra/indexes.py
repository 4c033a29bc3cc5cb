"""What a deployment may change about indexes: CloudFormation makes or removes one index per table and update."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from infra.account import NotDone

Indexes = dict[str, dict[str, Any]]


def one_step(client: Any, template: Mapping[str, Any], *, new: bool) -> None:
    """Refuse what CloudFormation would refuse half-way, and a first deployment over tables that an earlier one kept.

    Args:
        client: DynamoDB's.
        template: what is to be deployed.
        new: there is no stack yet.

    Raises:
        NotDone: naming the tables, and the way out.
    """
    too_many, kept = [], []
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::DynamoDB::Table":
            name = resource["Properties"]["TableName"]
            there = deployed(client, name)
            if there is None:
                continue
            if new:
                kept.append(name)
            changed = changes(there, declared(resource["Properties"]))
            if len(changed) > 1:
                too_many.append(f"{name} ({', '.join(changed)})")
    if kept:
        raise NotDone(
            f"there is no stack, but tables of an earlier one: {', '.join(kept)}. Take them into a stack by CloudFormation's "
            "resource import, or remove them: make destroy with --erase-data"
        )
    if too_many:
        raise NotDone(
            "CloudFormation makes or removes one index of a table at a time. Deploy in steps, with one of these indexes more "
            f"each time: {'; '.join(too_many)}"
        )


def declared(properties: Mapping[str, Any]) -> Indexes:
    """The indexes of a table in a template."""
    return {each["IndexName"]: _shape(each) for each in properties.get("GlobalSecondaryIndexes", ())}


def deployed(client: Any, name: str) -> Indexes | None:
    """The indexes of a table in AWS; None: there is no such table."""
    try:
        table = client.describe_table(TableName=name)["Table"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return None
        raise
    return {each["IndexName"]: _shape(each) for each in table.get("GlobalSecondaryIndexes") or ()}


def changes(there: Indexes, wanted: Indexes) -> list[str]:
    """The changes from one to the other, one word each: `+name`, `-name`; an index that is another one is both."""
    made = [f"-{name}" for name, shape in sorted(there.items()) if wanted.get(name) != shape]
    return made + [f"+{name}" for name, shape in sorted(wanted.items()) if there.get(name) != shape]


def _shape(index: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "keys": sorted((each["KeyType"], each["AttributeName"]) for each in index["KeySchema"]),
        "projection": index["Projection"]["ProjectionType"],
    }
