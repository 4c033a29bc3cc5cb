"""`make dev`: run everything on this machine until Ctrl-C."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from chalicelib.environment import BadSetting
from chalicelib.settings import Settings
from infra.local.console import talk
from infra.local.running import end, fail, run, sweep_s
from infra.local.stack import WEB, Stack


def main() -> int:
    """Run until SIGINT or SIGTERM. Returns the exit code: 2 for a wrong setting, 1 when something cannot be started."""
    talk(logging.DEBUG if os.environ.get("VERBOSE") else logging.INFO)
    site = os.environ.get("SITE")
    try:
        sweep = sweep_s(os.environ.get("SWEEP_SECONDS", ""))
        stack = Stack(Settings.from_env(), sweep_s=sweep, site=Path(site) if site else WEB / "dist")
    except BadSetting as error:
        return fail(str(error), 2)
    return run(stack, _banner, watch=True, vite=os.environ.get("HOT") == "1" and not site)


def _banner(stack: Stack) -> str:
    settings = stack.settings
    where = settings.data_dir if settings.store == "sqlite" else settings.dynamodb_endpoint or "AWS"
    sockets = "kept in memory" if settings.live == "owner" else "kept in rows, as on Lambda"
    model = "scripted (set ANTHROPIC_API_KEY for a real one)" if stack.model else settings.model_url or "Anthropic"
    return f"""
  Concave is running at {stack.url}

  page      open the address in a browser
  clients   new ConvexClient("{stack.url}")  ·  ConvexClient("{stack.url}")
  a token   curl -d '{{"subject": "alice", "org": "acme"}}' {stack.url}/dev/token
  store     {settings.store} ({where})
  sockets   {sockets}
  model     {model}
  apps      {", ".join(settings.apps)}
  Save a file and it is reloaded. Ctrl-C stops; the data stays.
"""


if __name__ == "__main__":
    end(main())
