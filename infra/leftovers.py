"""What a stack leaves behind at each change: SAM keeps every version of a layer, so that an update can be rolled back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

KEPT = 3
"""Versions of a layer that stay: the deployed one, and two to go back to."""


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
