"""The root of the command line: what belongs to every command, and the commands in the order in which a project needs them."""

from __future__ import annotations

import click

from chalicelib.settings import VERSION
from concave.cli import cloud, doctor, keys, local, new, operating, upkeep


class InOrder(click.Group):
    """A group whose help lists its commands as they were added."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands, not sorted."""
        return list(self.commands)


@click.group(cls=InOrder, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(VERSION, prog_name="concave")
def root() -> None:
    """A reactive backend that you own: tables, queries and mutations in Python, live in every client."""


for command in (
    *new.COMMANDS,
    *local.COMMANDS,
    *operating.COMMANDS,
    *keys.COMMANDS,
    *upkeep.COMMANDS,
    *doctor.COMMANDS,
    *cloud.COMMANDS,
):
    root.add_command(command)
