"""`make dev`: run everything on this machine until Ctrl-C.

Beside the banner, DATA_DIR/port gets the port's number once the server answers, for programs that asked for any free one.
"""

from __future__ import annotations

import importlib
import logging
import os
import signal
import sys
import threading
from pathlib import Path

from chalicelib.data.errors import ConcaveError, WrongDeclaration
from chalicelib.environment import BadSetting
from chalicelib.settings import Settings
from infra.local.console import talk
from infra.local.reload import describe
from infra.local.stack import SWEEP_S, WEB, Stack

log = logging.getLogger("concave.local")


def main() -> int:
    """Run until SIGINT or SIGTERM. Returns the exit code: 2 for a wrong setting, 1 when something cannot be started."""
    talk(logging.DEBUG if os.environ.get("VERBOSE") else logging.INFO)
    try:
        settings = Settings.from_env()
        site = os.environ.get("SITE")
        stack = Stack(settings, sweep_s=_sweep_s(os.environ.get("SWEEP_SECONDS", "")), site=Path(site) if site else WEB / "dist")
    except BadSetting as error:
        return _fail(str(error), 2)
    stopped = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stopped.set())
    try:
        stack.start(watch=True, vite=os.environ.get("HOT") == "1" and not site)
    except OSError as error:
        return _fail(f"cannot listen on port {settings.port}: {error.strerror}. PORT=0 takes any free one.")
    except WrongDeclaration as error:
        return _fail(describe(error))
    except ConcaveError as error:
        return _fail(str(error))
    except Exception as error:
        log.exception("the app cannot be loaded")
        return _fail(describe(error))
    port_file = settings.data_dir / "port"
    draft = port_file.with_suffix(f".{os.getpid()}")
    draft.write_text(str(stack.server.port))
    draft.replace(port_file)  # whoever waits for the file never reads an empty one
    _say(_banner(stack))
    # The model's SDK takes a second to import: now, so that the first reply does not wait for it.
    threading.Thread(target=importlib.import_module, args=("anthropic",), daemon=True).start()
    stopped.wait()
    _say("\nstopping")
    port_file.unlink(missing_ok=True)
    stack.stop()
    return 0


def _sweep_s(text: str) -> float:
    """SWEEP_SECONDS: the local schedule."""
    try:
        seconds = float(text or SWEEP_S)
    except ValueError:
        seconds = 0.0
    if not 0.01 <= seconds <= 3600:
        raise BadSetting("SWEEP_SECONDS", text, "must be a number of seconds from 0.01 to 3600")
    return seconds


def _banner(stack: Stack) -> str:
    settings = stack.settings
    where = settings.data_dir if settings.store == "sqlite" else settings.dynamodb_endpoint or "AWS"
    model = "scripted (set ANTHROPIC_API_KEY for a real one)" if stack.model else settings.model_url or "Anthropic"
    return f"""
  Concave is running at {stack.url}

  page      open the address in a browser
  clients   new ConvexClient("{stack.url}")  ·  ConvexClient("{stack.url}")
  a token   curl -d '{{"subject": "alice", "org": "acme"}}' {stack.url}/dev/token
  store     {settings.store} ({where})
  model     {model}
  apps      {", ".join(settings.apps)}
  Save a file and it is reloaded. Ctrl-C stops; the data stays.
"""


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _fail(text: str, code: int = 1) -> int:
    sys.stderr.write(f"concave: {text}\n")
    return code


if __name__ == "__main__":
    sys.stdout.flush()
    # Threads of handlers that still run (a reply being written) must not hold up the end: what they do is safe to cut.
    code = main()
    logging.shutdown()
    os._exit(code)
