"""Words that every part of the template uses: references, names, and the deployment that is being written."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.data.store import TableSpec

Resource = dict[str, Any]
Resources = dict[str, Resource]

API_STAGE = "api"
"""The name of the stage of both APIs, as `chalice package` calls it."""
ALIAS = "live"
"""Of every function: the version that is called."""
UNSTAMPED = "unstamped0release"
"""Stands for the release until it is known what is in it (`releases.py`)."""


def ref(name: str) -> Resource:
    """The value of a parameter, or the id of a resource."""
    return {"Ref": name}


def att(name: str, attribute: str) -> Resource:
    """An attribute of a resource."""
    return {"Fn::GetAtt": [name, attribute]}


def sub(text: str, **values: Any) -> Resource:
    """Text with `${…}` replaced; `values` name what is no parameter or resource."""
    return {"Fn::Sub": [text, values] if values else text}


def either(condition: str, value: Any, otherwise: Any = None) -> Resource:
    """`value` where the condition holds; without `otherwise` nothing at all where it does not."""
    return {"Fn::If": [condition, value, {"Ref": "AWS::NoValue"} if otherwise is None else otherwise]}


def camel(text: str) -> str:
    """A name as the logical id of a resource: letters and digits, each word capitalised."""
    return "".join(word[:1].upper() + word[1:] for word in re.split(r"[^A-Za-z0-9]+", text) if word)


@dataclass(frozen=True)
class Function:
    """One Lambda function of the packaged app. `entry` is what `aws/invoke.py` calls it: the handler's name in `app.py`."""

    entry: str
    logical: str
    role: str
    timeout_s: int


def alias_id(logical: str) -> str:
    """The logical id of a function's alias, whose reference is its ARN."""
    return f"{logical}Live"


def version_id(function: Function, release: str) -> str:
    """The logical id of a function's version in a release."""
    return f"{function.logical}Version{release}"


@dataclass(frozen=True)
class Deployment:
    """What is being written: a stage of an app.

    Args:
        stage: the stage's name; `concave-<stage>-` goes before every physical name.
        apps: packages of tables and functions.
        functions: by entry.
        specs: every physical table.
        page: the built index.html; empty without one.
    """

    stage: str
    apps: tuple[str, ...]
    functions: Mapping[str, Function]
    specs: Sequence[TableSpec]
    page: str = ""

    def name(self, what: str) -> str:
        """The physical name of something of this stage."""
        return f"concave-{self.stage}-{what}"


def functions_of(template: Mapping[str, Any]) -> dict[str, Function]:
    """The functions in what `chalice package` wrote, by entry (`app.generate` is `generate`; the HTTP one is `api`)."""
    found = {}
    for logical, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            properties = resource["Properties"]
            entry = properties["Handler"].removeprefix("app.")
            entry = "api" if entry == "app" else entry
            found[entry] = Function(entry, logical, properties["Role"]["Fn::GetAtt"][0], int(properties["Timeout"]))
    return found
