"""Run a stack until a signal ends it: what `make dev` and `make serve` share.

DATA_DIR/port gets the port's number once the server answers, for programs that asked for any free one.
"""

from __future__ import annotations

import importlib
import logging
import os
import signal
import ssl
import sys
import threading
from collections.abc import Callable

from chalicelib.data.errors import ConcaveError, WrongDeclaration
from chalicelib.environment import BadSetting
from infra.local.reload import describe
from infra.local.stack import SWEEP_S, Stack

log = logging.getLogger("concave.local")
LOADING = "model-sdk"
"""Name of the thread that imports it."""


def run(stack: Stack, banner: Callable[[Stack], str], *, watch: bool = False, vite: bool = False) -> int:
    """Run until SIGINT or SIGTERM; a second one ends it at once. SIGHUP has the certificate files read again.

    Returns the exit code: 1 when something cannot be started.
    """
    stopped = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda number, _: os._exit(128 + number) if stopped.is_set() else stopped.set())
    signal.signal(signal.SIGHUP, lambda *_: _renew(stack))
    try:
        stack.start(watch=watch, vite=vite)
    except ssl.SSLError as error:
        return fail(f"TLS_CERTIFICATE and TLS_KEY cannot be used: {error}")
    except OSError as error:
        return fail(f"cannot listen on port {stack.settings.port}: {error.strerror}. PORT=0 takes any free one.")
    except WrongDeclaration as error:
        return fail(describe(error))
    except ConcaveError as error:
        return fail(str(error))
    except Exception as error:
        log.exception("the app cannot be loaded")
        return fail(describe(error))
    port_file = stack.settings.data_dir / "port"
    draft = port_file.with_suffix(f".{os.getpid()}")
    draft.write_text(str(stack.server.port))
    draft.replace(port_file)  # whoever waits for the file never reads an empty one
    say(banner(stack))
    # The model's SDK takes a second to import: now, so that the first reply does not wait for it.
    threading.Thread(target=importlib.import_module, args=("anthropic",), name=LOADING, daemon=True).start()
    stopped.wait()
    say("\nstopping")
    port_file.unlink(missing_ok=True)
    stack.stop()
    return 0


def _renew(stack: Stack) -> None:
    try:
        stack.renew()
    except OSError as error:
        log.error("the certificate is still the old one: %s", error)
    else:
        log.warning("the certificate files were read again")


def sweep_s(text: str) -> float:
    """SWEEP_SECONDS: the local schedule. Raises `BadSetting`."""
    try:
        seconds = float(text or SWEEP_S)
    except ValueError:
        seconds = 0.0
    if not 0.01 <= seconds <= 3600:
        raise BadSetting("SWEEP_SECONDS", text, "must be a number of seconds from 0.01 to 3600")
    return seconds


def say(text: str) -> None:
    """A line for whoever started it."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def fail(text: str, code: int = 1) -> int:
    """Say why it does not start. Returns the exit code."""
    sys.stderr.write(f"concave: {text}\n")
    return code


def end(code: int) -> None:
    """End the process. Threads of handlers that still run must not hold up the end: what they do is safe to cut."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
