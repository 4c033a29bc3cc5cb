"""The command: `make smoke STAGE=dev [SMOKE_TOKEN=…] [ARGS='--url https://…']`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.data.errors import ConcaveError
from chalicelib.environment import BadSetting
from chalicelib.settings import Settings
from infra.account import Account, NotDone, account
from infra.deployed import Deployed
from infra.package import PAGE
from infra.smoke.checks import LOOKS, Smoke
from infra.smoke.stage import Stage


def smoke(
    where: Account,
    stage: str,
    data: Deployed,
    env: Mapping[str, str],
    url: str = "",
    seconds: float = 60,
    only: Sequence[str] = (),
) -> bool:
    """Look at a stage and say what was found, line by line. Whether nothing failed.

    Args:
        where: its account.
        stage: its name.
        data: its tables.
        env: SMOKE_TOKEN is a user's token.
        url: another address than the deployment's own.
        seconds: how long one thing may take.
        only: what is looked at; nothing: everything.

    Raises:
        NotDone: there is no such stack.
    """
    inside = Stage(where, stage, data.executor)
    address, sync = (url or inside.outputs["Url"]).rstrip("/"), "/api/1.0.0/sync"
    edge = bool(url) or "EdgeId" in inside.outputs
    look = Smoke(
        address,
        address.replace("http", "ws", 1) + sync if edge else f"{inside.outputs['SocketEndpoint']}?path={sync}",
        inside,
        env.get("SMOKE_TOKEN") or None,
        page=edge and (PAGE / "index.html").is_file(),
        seconds=seconds,
    )
    marks = {"ok": "ok     ", "failed": "FAILED ", "none": "not seen"}
    fine = True
    for found in look.run(only):
        sys.stdout.write(f"  {marks[found.state]:<9}{found.about}: {found.text}\n")
        sys.stdout.flush()
        fine = fine and found.state != "failed"
    return fine


def main(arguments: Sequence[str]) -> int:
    """Look at the stage named by STAGE (default dev)."""
    parser = argparse.ArgumentParser(prog="make smoke", description="Ask a deployment for everything it is for.")
    parser.add_argument("--url", default="", help="another address than the deployment's own")
    parser.add_argument("--seconds", type=float, default=60, help="how long one thing may take")
    parser.add_argument("--only", action="append", default=[], choices=LOOKS, help="look at this only; may be repeated")
    asked = parser.parse_args(arguments)
    try:
        settings = Settings.from_env({"STAGE": "dev", **{k: v for k, v in os.environ.items() if k in ("STAGE", "CONCAVE_APPS")}})
        assert settings.stage is not None
        where = account()
        data = Deployed(settings.stage, settings.apps, where.region)
        fine = smoke(where, settings.stage, data, os.environ, asked.url, asked.seconds, asked.only)
    except (NotDone, BadSetting, ConcaveError, BotoCoreError, ClientError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
