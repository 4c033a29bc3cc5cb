"""Laying our part of the template over what `chalice package` wrote.

Chalice's own `--merge-template` adds a mistyped key as a new, half-defined thing and says nothing. Here every key is either
there already, or brings a whole new thing with it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

Template = dict[str, Any]

OPEN = ("Parameters", "Conditions", "Outputs", "Mappings", "Metadata", "Description")
"""Sections that only this project writes; Chalice's outputs are replaced as a whole."""


class MatchesNothing(ValueError):
    """A patch names something that the packaged template does not have."""


def merge(packaged: Mapping[str, Any], ours: Mapping[str, Any]) -> Template:
    """The packaged template with ours laid over it.

    A resource of ours with a `Type` is new and must not be there yet. One without is a patch: the resource must be there,
    and so must every section of it that is patched; its properties may be new. Lists are replaced as a whole.

    Raises:
        MatchesNothing: a patch for what is not there, or a new resource under a name that is taken.
    """
    made = copy.deepcopy(dict(packaged))
    for section, content in ours.items():
        if section == "Resources":
            continue
        if section not in OPEN:
            raise MatchesNothing(f"{section} is not a section that is merged")
        made[section] = copy.deepcopy(content)
    there = made["Resources"]
    for name, resource in ours.get("Resources", {}).items():
        if "Type" in resource:
            if name in there:
                raise MatchesNothing(f"{name} is in the packaged template already; a patch of it has no Type")
            there[name] = copy.deepcopy(resource)
        elif name not in there:
            raise MatchesNothing(f"{name} is not in the packaged template; a new resource needs a Type")
        else:
            _patch(there[name], resource, name)
    return made


def _patch(resource: dict[str, Any], patch: Mapping[str, Any], name: str) -> None:
    for key, value in patch.items():
        if key == "Properties":
            for field, wanted in value.items():
                _lay(resource["Properties"], field, wanted, f"{name}.{field}")
        elif key in ("DependsOn", "DeletionPolicy", "UpdateReplacePolicy", "Metadata"):
            resource[key] = copy.deepcopy(value)
        else:
            raise MatchesNothing(f"{name}.{key} is nothing that a resource has")


def _lay(target: dict[str, Any], key: str, value: Any, path: str) -> None:
    """Set a property; inside a map that is there already (a function's Events) every named entry must be there too."""
    there = target.get(key)
    if not isinstance(value, dict) or not isinstance(there, dict) or _intrinsic(value) or _intrinsic(there):
        target[key] = copy.deepcopy(value)
        return
    for inner, wanted in value.items():
        if isinstance(wanted, dict) and not _intrinsic(wanted) and "Type" not in wanted and inner not in there:
            raise MatchesNothing(f"{path}.{inner} is not in the packaged template")
        _lay(there, inner, wanted, f"{path}.{inner}")


def _intrinsic(value: Mapping[str, Any]) -> bool:
    return len(value) == 1 and next(iter(value)).startswith(("Ref", "Fn::", "Condition"))
