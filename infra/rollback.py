"""`make rollback STAGE=dev`: every function back to the release before, in seconds and all together.

make rollback STAGE=dev                       the release before the one that is called
make rollback STAGE=dev ARGS='--to 3f2a…'     another that is kept
make rollback STAGE=dev ARGS=--list           what is kept

Only aliases are moved: tables, settings of the APIs and the page stay as they are. While a deployment is under way, that one is
called off instead.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.environment import BadSetting
from chalicelib.settings import Settings
from infra.account import Account, NotDone, account, stack_name
from infra.deploy import Tell, follow, stack_of
from infra.releases import functions_of, goes_back_to, histories, moved


def rollback(where: Account, stage: str, tell: Tell, wanted: str = "", poll_s: float = 2.0) -> str:
    """Bring a stage back to an earlier release.

    Args:
        where: its account.
        stage: its name.
        tell: takes a line of progress.
        wanted: a release; empty: the one before.
        poll_s: seconds between two looks at CloudFormation, where a deployment is called off.

    Returns:
        The release that is called now; empty after a deployment was called off.

    Raises:
        NotDone: there is no such stage or release, or CloudFormation is busy with something else.
    """
    client, name = where.client("cloudformation"), stack_name(stage)
    stack = stack_of(client, name)
    if stack is None:
        raise NotDone(f"there is no {name} here")
    if stack["StackStatus"].endswith("_IN_PROGRESS"):
        _called_off(client, name, stack["StackStatus"], tell, poll_s)
        return ""
    functions = where.client("lambda")
    found = histories(functions, functions_of(client, name))
    release = goes_back_to(found, wanted)
    done, stayed = moved(functions, found, release)
    tell(f"{len(done)} functions are called as of release {release}")
    for each in stayed:
        tell(f"{each} was not in it, and stays as it is")
    return release


def _called_off(client: Any, name: str, status: str, tell: Tell, poll_s: float) -> None:
    if status != "UPDATE_IN_PROGRESS":
        raise NotDone(f"{name} is {status}: CloudFormation lets nothing be called off now; look again when that is over")
    started = datetime.now(UTC)
    client.cancel_update_stack(StackName=name)
    tell("a deployment is under way: it is called off, and its release taken back")
    follow(client, name, started, tell, poll_s, ("UPDATE_ROLLBACK_COMPLETE",))


def main(arguments: Sequence[str]) -> int:
    """Bring back the stage named by STAGE (default dev)."""
    parser = argparse.ArgumentParser(prog="make rollback", description="Every function back to the release before.")
    parser.add_argument("--to", default="", metavar="RELEASE", help="another release than the one before")
    parser.add_argument("--list", action="store_true", help="say which releases are kept, and move nothing")
    asked = parser.parse_args(arguments)
    try:
        settings = Settings.from_env({"STAGE": "dev", **{k: v for k, v in os.environ.items() if k == "STAGE"}})
        assert settings.stage is not None
        where = account()

        def tell(line: str) -> None:
            sys.stdout.write(f"  {line}\n")

        if asked.list:
            _list(where, settings.stage, tell)
        elif rollback(where, settings.stage, tell, asked.to):
            tell("the next deployment of a change moves them on; `make smoke` looks whether all of it works")
    except (NotDone, BadSetting, BotoCoreError, ClientError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _list(where: Account, stage: str, tell: Tell) -> None:
    found = histories(where.client("lambda"), functions_of(where.client("cloudformation"), stack_name(stage)))
    standing = {each.release for each in found}
    releases = {release: None for each in found for _, release in sorted(each.versions.items(), reverse=True)}
    for release in releases:
        tell(f"{release}{' (called)' if release in standing else ''}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
