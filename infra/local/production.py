"""The settings of a server on one machine that others rely on: as strict as a stage in the cloud, on this machine's file.

What a laptop allows by default is off here: details of errors for clients, tokens for anybody, the scripted model, any host of an
MCP server, any name in `Host`. What has to be said instead is asked for, all of it at once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from chalicelib.environment import BadSetting, switch_of, text_of
from chalicelib.settings import Settings
from infra.local.listen import Listen
from infra.local.stack import Extras

STAGE = "server"
"""What such a server calls itself where a deployment says its stage."""


def production(env: Mapping[str, str]) -> tuple[Settings, Listen, Extras]:
    """Read and check everything.

    Raises:
        BadSetting: a variable that cannot be used.
        NotReady: what is still to be said.
    """
    if text_of(env, "STAGE") is not None:
        raise BadSetting("STAGE", env["STAGE"], "names a deployment in AWS; a server on one machine has none")
    strict = Settings.from_env({**env, "STAGE": STAGE, "STORE": "dynamodb"})
    asked = Settings.from_env(env)
    settings = dataclasses.replace(strict, store=asked.store, prefix=asked.prefix)
    listen = Listen.from_env(env)
    extras = Extras(tokens=switch_of(env, "DEV_TOKENS", False), model=switch_of(env, "SCRIPTED_MODEL", False), posted_to=False)
    shown = switch_of(env, "DASHBOARD", False)
    extras = dataclasses.replace(extras, dashboard=shown, dashboard_everywhere=shown)
    missing = list(_missing(settings, listen, extras, env))
    if missing:
        raise NotReady(missing)
    return settings, listen, extras


class NotReady(Exception):
    """Settings without which such a server does not start; one sentence each."""

    def __init__(self, missing: list[str]) -> None:
        super().__init__("\n".join(missing))
        self.missing = missing


def _missing(settings: Settings, listen: Listen, extras: Extras, env: Mapping[str, str]) -> list[str]:
    said = []
    if not settings.auth and not extras.tokens and text_of(env, "ANONYMOUS") != "on":
        said.append(
            "Nobody could sign in: set AUTH_ISSUER and AUTH_AUDIENCE (docs/signing-in.md). "
            "ANONYMOUS=on says that callers without a token are all there are; DEV_TOKENS=on gives everybody any token."
        )
    chat = "chalicelib.functions" in settings.apps
    if chat and not (settings.anthropic_key or settings.anthropic_key_secret or settings.model_url or extras.model):
        said.append(
            "No model could answer: set ANTHROPIC_API_KEY, or MODEL_URL, or SCRIPTED_MODEL=on for a model that only plays."
        )
    if not listen.private and text_of(env, "ALLOWED_HOSTS") is None:
        said.append("HOST is reached by others: set ALLOWED_HOSTS to the names that they use, such as chat.example.com.")
    if settings.store == "dynamodb" and settings.live == "rows":
        said.append("STORE=dynamodb with LIVE=rows is served by Lambda (docs/operating.md): say STORE=sqlite, or LIVE=owner.")
    return said
