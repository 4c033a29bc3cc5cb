"""What a stack leaves behind at each change: versions of functions and of their layer, to go back to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from infra.releases import History

KEPT = 3
"""Versions that stay: the deployed one, and two to go back to."""


def layers_tidied(client: Any, template: Mapping[str, Any], tell: Callable[[str], object]) -> int:
    """Delete versions of the template's layers that no deployment goes back to any more. Functions that have one keep it.

    Args:
        client: Lambda's.
        template: as packaged; it names the layers.
        tell: takes a line of progress.

    Returns:
        How many versions were deleted.
    """
    names = [
        each["Properties"]["LayerName"]
        for each in template["Resources"].values()
        if each["Type"] == "AWS::Serverless::LayerVersion"
    ]
    gone = 0
    for name in names:
        pages = client.get_paginator("list_layer_versions").paginate(LayerName=name)
        versions = sorted((each["Version"] for page in pages for each in page["LayerVersions"]), reverse=True)
        for version in versions[KEPT:]:
            client.delete_layer_version(LayerName=name, VersionNumber=version)
            gone += 1
    if gone:
        tell(f"{gone} old versions of libraries deleted; {KEPT} stay")
    return gone


def versions_tidied(client: Any, found: Iterable[History], tell: Callable[[str], object]) -> int:
    """Delete versions of functions that no `make rollback` goes back to any more. What an alias calls stays, however old it is.

    Args:
        client: Lambda's.
        found: the functions.
        tell: takes a line of progress.

    Returns:
        How many versions were deleted.
    """
    gone = 0
    for each in found:
        for version in sorted(each.versions, reverse=True)[KEPT:]:
            if version != each.stands:
                client.delete_function(FunctionName=each.name, Qualifier=str(version))
                gone += 1
    if gone:
        tell(f"{gone} old versions of functions deleted; {KEPT} of each stay")
    return gone
