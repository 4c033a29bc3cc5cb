"""A function whose settings a test has changed, called with them: callers go through the alias, which calls a version."""

from __future__ import annotations

from typing import Any

from infra.template.parts import ALIAS


def published(client: Any, name: str) -> None:
    """Publish a function as it is, and move its alias there; `client`: Lambda's."""
    release = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]["RELEASE"]
    version = client.publish_version(FunctionName=name, Description=release)["Version"]
    client.update_alias(FunctionName=name, Name=ALIAS, FunctionVersion=version)
