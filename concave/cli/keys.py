"""Keys of operators: made here, with the private key of this machine or of a stage, and links that open the dashboard."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from concave.cli.door import opened, private, signed_in
from concave.cli.operating import at_the_door, data_folder
from concave.cli.project import entered

STAY_S = 12 * 3600
"""So long the key of a link to a stage's dashboard counts."""


def signing(stage: str | None) -> str:
    """The private key that signs: OPERATOR_KEY, a secret in Secrets Manager (OPERATOR_KEY_SECRET), or this project's own; each
    stage has one of its own. Raises `click.ClickException`."""
    if stage is None:
        return private(data_folder())
    from chalicelib.environment import BadSetting
    from infra.account import NotDone
    from infra.stage_keys import private_key

    entered()
    try:
        return private_key(os.environ, Path(os.environ["DATA_DIR"]), stage)
    except (BadSetting, NotDone) as error:
        raise click.ClickException(str(error)) from None


_STAGE = click.option("--stage", envvar="STAGE", help="Of this stage in AWS; otherwise of the server on this machine.")


@click.command(short_help="Make an operator's key, for another machine or a program; or revoke one.")
@click.option("--role", default="read", show_default=True, type=click.Choice(["read", "edit"]))
@click.option("--name", default="cli", show_default=True, help="Whom the audit names.")
@click.option("--days", default=30, show_default=True, type=click.IntRange(1, 3650), help="When it ends.")
@click.option("--public", is_flag=True, help="Print the public half of the pair instead, for OPERATOR_PUBLIC_KEY.")
@click.option("--revoke", metavar="NAME", help="Have all keys of this name count no more, on a server that runs.")
@click.option("--restore", metavar="NAME", help="Let the keys of this name count again.")
@_STAGE
@at_the_door
def key(
    role: Any,
    name: str,
    days: int,
    public: bool,
    revoke: str | None,
    restore: str | None,
    stage: str | None,
    url: str | None,
    key: str | None,
) -> None:
    """Print an operator's key, signed with OPERATOR_KEY or with what this project has in its data folder."""
    from chalicelib.runtime.operators import mint, public_half

    if revoke is not None or restore is not None:
        word = "revoke" if revoke is not None else "restore"
        opened(url, key, data_folder()).call(f"_system/keys:{word}", {"name": revoke or restore})
        return
    signed = signing(stage)
    try:
        click.echo(public_half(signed) if public else mint(signed, role, name, int(time.time()) + days * 86_400))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--name") from None


@click.command(short_help="Print a link that opens the dashboard.")
@click.option("--role", type=click.Choice(["read", "edit"]), help="edit, or read on a stage, where nothing else is said.")
@_STAGE
@at_the_door
def dashboard(role: Any, stage: str | None, url: str | None, key: str | None) -> None:
    """Print a link to the dashboard: of the running server (it works once, within a day), or of a stage (for twelve hours)."""
    if stage is not None:
        from chalicelib.runtime.operators import mint

        url = url or os.environ.get("CONCAVE_URL")
        if url is None:
            raise click.UsageError("Say where the stage is: --url, or CONCAVE_URL; `concave deploy` has printed it.")
        made = mint(signing(stage), role or "read", signed_in(), int(time.time()) + STAY_S)
        click.echo(f"{url.rstrip('/')}/_/#key={quote(made)}")
        return
    door = opened(url, key, data_folder())
    click.echo(door.url + door.request("POST", "/_/link", {"role": role or "edit"})["path"])


COMMANDS = (key, dashboard)
