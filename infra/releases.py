"""The releases of a stage: which one its aliases stand at, and where they can go back to (`infra/template/releases.py`)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from infra.account import NotDone
from infra.template.functions import WITHOUT_SNAPSTART
from infra.template.merge import Template
from infra.template.parts import ALIAS
from infra.template.releases import stamped

AT_ONCE = 12
"""Functions that are asked about, or whose aliases are moved, at the same time."""


@dataclass(frozen=True)
class History:
    """A function's published versions.

    Args:
        name: the function's.
        versions: the release of each version.
        stands: the version that its alias calls.
    """

    name: str
    versions: Mapping[int, str]
    stands: int

    @property
    def release(self) -> str:
        """What its alias calls."""
        return self.versions.get(self.stands, "")

    def before(self) -> str | None:
        """The release before the one that is called; None: it is the oldest that is kept."""
        older = [number for number, release in self.versions.items() if number < self.stands and release != self.release]
        return self.versions[max(older)] if older else None

    def of(self, release: str) -> int | None:
        """The newest version of a release; None: the function has none of it."""
        return max((number for number, each in self.versions.items() if each == release), default=None)


def of_deployment(template: Mapping[str, Any], parameters: Iterable[Mapping[str, Any]], stack: Any) -> Template:
    """A packaged template with the release that it becomes with these parameters: functions have them in their settings."""
    before = {each["ParameterKey"]: each.get("ParameterValue") for each in (stack or {}).get("Parameters", ())}
    values = {each["ParameterKey"]: each.get("ParameterValue", before.get(each["ParameterKey"])) for each in parameters}
    return stamped(template, json.dumps(values, sort_keys=True).encode())


def snapshots_possible(template: Mapping[str, Any], env: Mapping[str, str]) -> None:
    """Look whether SNAPSTART=on is there for the runtime that was packaged.

    Raises:
        NotDone: it is not.
    """
    runtimes = {each["Properties"].get("Runtime") for each in template["Resources"].values() if "Properties" in each}
    old = sorted(runtimes.intersection(WITHOUT_SNAPSTART))
    if env.get("SNAPSTART") == "on" and old:
        raise NotDone(f"SNAPSTART=on: {old[0]} has no SnapStart; package with Python 3.12 or later")


def functions_of(client: Any, stack: str) -> list[str]:
    """The names of a stack's functions that have an alias; `client`: CloudFormation's."""
    pages = client.get_paginator("list_stack_resources").paginate(StackName=stack)
    found = [each for page in pages for each in page["StackResourceSummaries"] if each["ResourceType"] == "AWS::Lambda::Alias"]
    return sorted(each["PhysicalResourceId"].split(":")[-2] for each in found)


def histories(client: Any, names: Iterable[str]) -> list[History]:
    """What these functions have published; `client`: Lambda's."""

    def ask(name: str) -> History:
        pages = client.get_paginator("list_versions_by_function").paginate(FunctionName=name)
        found = [each for page in pages for each in page["Versions"] if each["Version"].isdigit()]
        stands = client.get_alias(FunctionName=name, Name=ALIAS)["FunctionVersion"]
        return History(name, {int(each["Version"]): each.get("Description", "") for each in found}, int(stands))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(ask, names))


def goes_back_to(found: Iterable[History], wanted: str = "") -> str:
    """The release that a stage goes back to: the wanted one, or the one before; what was broken off goes on.

    Raises:
        NotDone: there is none; it names those that are kept.
    """
    longest = max(found, key=lambda each: len(each.versions), default=None)
    if longest is None:
        raise NotDone("this stage has no aliases: it was deployed by an earlier release of Concave; deploy it again first")
    standing = {each.release for each in found}
    kept = [longest.versions[number] for number in sorted(longest.versions, reverse=True)]
    if wanted:
        if wanted not in kept:
            raise NotDone(f"the release {wanted} is not kept; there are {', '.join(dict.fromkeys(kept))}")
        return wanted
    if len(standing) > 1:
        return min(standing, key=lambda release: longest.of(release) or 0)
    before = longest.before()
    if before is None:
        raise NotDone(f"{longest.release} is the oldest release that is kept: deploy the code that you want instead")
    return before


def moved(client: Any, found: Iterable[History], release: str) -> tuple[list[str], list[str]]:
    """Move the aliases to a release, all at once; of no function's calls any go to another version.

    Returns:
        The functions whose aliases were moved, and those that the release did not have, which stay.
    """
    todo = [(each.name, version) for each in found if (version := each.of(release)) is not None]

    def move(one: tuple[str, int]) -> str:
        whole: dict[str, Any] = {"AdditionalVersionWeights": {}}
        client.update_alias(FunctionName=one[0], Name=ALIAS, FunctionVersion=str(one[1]), RoutingConfig=whole)
        return one[0]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        done = list(pool.map(move, todo))
    return done, sorted({each.name for each in found} - set(done))


def went_back(cloudformation: Any, functions: Any, stack: Any) -> str:
    """The release that the aliases were moved back to since the last deployment; empty: none."""
    outputs = {each["OutputKey"]: each["OutputValue"] for each in (stack or {}).get("Outputs", ())}
    if "Release" not in outputs:
        return ""
    standing = {each.release for each in histories(functions, functions_of(cloudformation, stack["StackName"]))}
    others = sorted(standing - {outputs["Release"]})
    return others[0] if others else ""
