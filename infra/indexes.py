"""What a deployment changes about indexes, in steps: CloudFormation makes or removes one index per table and update.

A plan has one template per step. Each is the whole new template, but a table has no more changes than one behind the step
before. Code that reads an index that is not there yet is refused by `data/building.py`, because the plan's new indexes are
marked before the first step; so steps may take as long as they need, and a deployment that broke off is simply run again.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from infra.account import NotDone

Indexes = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Step:
    """One update of the stack: its template, and what it does to indexes (`table: +index`), for people."""

    template: dict[str, Any]
    what: list[str]


def plan(client: Any, template: Mapping[str, Any], *, new: bool) -> list[Step]:
    """The steps from the deployed indexes to those of a template: at least one.

    Args:
        client: DynamoDB's.
        template: what is to be deployed.
        new: there is no stack yet.

    Raises:
        NotDone: a first deployment over tables that an earlier one kept; it names them and the way out.
    """
    changed: dict[str, tuple[dict[str, Any], list[str]]] = {}
    kept = []
    for logical, resource in template["Resources"].items():
        if resource["Type"] == "AWS::DynamoDB::Table":
            name = resource["Properties"]["TableName"]
            there = _described(client, name)
            if there is None:
                continue
            if new:
                kept.append(name)
            changed[logical] = (there, changes(_indexes(there), declared(resource["Properties"])))
    if kept:
        raise NotDone(
            f"there is no stack, but tables of an earlier one: {', '.join(kept)}. Take them into a stack by CloudFormation's "
            "resource import, or remove them: make destroy with --erase-data"
        )
    count = max((len(todo) for _, todo in changed.values()), default=0)
    return [_step(template, changed, number) for number in range(1, max(count, 1) + 1)]


def _step(template: Mapping[str, Any], changed: Mapping[str, tuple[dict[str, Any], list[str]]], number: int) -> Step:
    made: dict[str, Any] = copy.deepcopy(dict(template))
    what = []
    for logical, (there, todo) in changed.items():
        properties = made["Resources"][logical]["Properties"]
        if number < len(todo):
            _behind(properties, there, todo[:number])
        if number <= len(todo):
            what.append(f"{properties['TableName']}: {todo[number - 1]}")
    return Step(made, what)


def _behind(properties: dict[str, Any], there: dict[str, Any], done: list[str]) -> None:
    """Give a table the indexes that it has after some changes, and the attributes that those need."""
    wanted = {each["IndexName"]: each for each in properties.get("GlobalSecondaryIndexes", ())}
    indexes = {
        each["IndexName"]: {name: each[name] for name in ("IndexName", "KeySchema", "Projection")}
        for each in there.get("GlobalSecondaryIndexes") or ()
    }
    for change in done:
        name = change[1:]
        if change[0] == "-":
            del indexes[name]
        else:
            indexes[name] = wanted[name]
    types = {each["AttributeName"]: each for each in (*there["AttributeDefinitions"], *properties["AttributeDefinitions"])}
    schemas = [properties["KeySchema"], *(each["KeySchema"] for each in indexes.values())]
    used = dict.fromkeys(part["AttributeName"] for schema in schemas for part in schema)
    properties["AttributeDefinitions"] = [types[name] for name in used]
    properties["GlobalSecondaryIndexes"] = list(indexes.values())
    if not indexes:
        del properties["GlobalSecondaryIndexes"]


def declared(properties: Mapping[str, Any]) -> Indexes:
    """The indexes of a table in a template."""
    return {each["IndexName"]: _shape(each) for each in properties.get("GlobalSecondaryIndexes", ())}


def _described(client: Any, name: str) -> dict[str, Any] | None:
    """A table in AWS; None: there is no such table."""
    try:
        found: dict[str, Any] = client.describe_table(TableName=name)["Table"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return None
        raise
    return found


def _indexes(table: Mapping[str, Any]) -> Indexes:
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
