"""`make dev`: run everything on this machine until Ctrl-C."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

from chalicelib.environment import BadSetting
from chalicelib.settings import Settings
from infra.local.console import talk
from infra.local.running import end, fail, run, sweep_s
from infra.local.stack import WEB, Stack


def main(page: Path | None = None, loaded: Callable[[], None] | None = None) -> int:
    """Run until SIGINT or SIGTERM.

    Args:
        page: the source of a page of one's own, reloaded on save where its tools are installed; else HOT says whether ours is.
        loaded: called when the app's code was loaded, at the start and after each save.

    Returns:
        The exit code: 2 for a wrong setting, 1 when something cannot be started.
    """
    talk(logging.DEBUG if os.environ.get("VERBOSE") else logging.INFO, gather=True)
    site = os.environ.get("SITE")
    try:
        sweep = sweep_s(os.environ.get("SWEEP_SECONDS", ""))
        folder = Path(site) if site else WEB / "dist"
        stack = Stack(Settings.from_env(), sweep_s=sweep, site=folder, web=page or WEB, loaded=loaded)
    except BadSetting as error:
        return fail(str(error), 2)
    ours = os.environ.get("HOT") == "1" and not site
    return run(stack, _banner, watch=True, vite=ours or (page is not None and (page / "dev.mjs").is_file()))


def _banner(stack: Stack) -> str:
    settings = stack.settings
    where = settings.data_dir if settings.store == "sqlite" else settings.dynamodb_endpoint or "AWS"
    sockets = "kept in memory" if settings.live == "owner" else "kept in rows, as on Lambda"
    model = "scripted (set ANTHROPIC_API_KEY for a real one)" if stack.model else settings.model_url or "Anthropic"
    answers = f"  model     {model}\n" if "chalicelib.functions" in settings.apps else ""  # only the chat asks it
    return f"""
  Concave is running at {stack.url}

  page      open the address in a browser
  dashboard {stack.url}{stack.dashboard.link() if stack.dashboard else ""}
  clients   new ConvexClient("{stack.url}")  ·  ConvexClient("{stack.url}")
  a token   curl -d '{{"subject": "alice", "org": "acme"}}' {stack.url}/dev/token
  store     {settings.store} ({where})
  sockets   {sockets}
{answers}  apps      {", ".join(settings.apps)}
  Save a file and it is reloaded. Ctrl-C stops; the data stays.
"""


if __name__ == "__main__":
    end(main())
