"""`make serve`: serve others from this machine until SIGTERM. What it asks for and how to run it: docs/self-hosting.md."""

from __future__ import annotations

import logging
import os
import resource
from pathlib import Path

from chalicelib.environment import BadSetting
from infra.local.console import talk
from infra.local.listen import Listen
from infra.local.production import NotReady, production
from infra.local.running import end, fail, run, sweep_s
from infra.local.stack import WEB, Extras, Stack

SPARE_FILES = 200
"""Files that a process has open besides its clients' sockets."""

SHARED_KEYS = ("SIGNING_KEY", "OPERATOR_KEY", "PUSH_PRIVATE_KEY")
"""Keys that a server makes in its own folder, and that servers on one DynamoDB must have in common."""


def main() -> int:
    """Run until SIGINT or SIGTERM. Returns the exit code: 2 for wrong or missing settings, 1 when something cannot be started."""
    verbose = bool(os.environ.get("VERBOSE"))
    talk(logging.DEBUG if verbose else logging.INFO, invocations=verbose, gather=True)
    os.umask(0o077)  # the data is its owner's
    site = os.environ.get("SITE")
    try:
        settings, listen, extras = production(os.environ)
        sweep = sweep_s(os.environ.get("SWEEP_SECONDS", ""))
        _open_files(listen.connections)
        stack = Stack(settings, sweep_s=sweep, site=Path(site) if site else WEB / "dist", listen=listen, extras=extras)
    except NotReady as error:
        return fail("not ready to serve others.\n  " + "\n  ".join(error.missing), 2)
    except BadSetting as error:
        return fail(str(error), 2)
    return run(stack, lambda running: _banner(running, listen, extras))


def _open_files(connections: int) -> None:
    """Raise this process' limit of open files to what so many connections need. Raises `BadSetting`."""
    needed = connections + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise BadSetting(
            "MAX_CONNECTIONS", str(connections), f"needs {needed} open files, and this process may have {hard} (ulimit -Hn)"
        )
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _banner(stack: Stack, listen: Listen, extras: Extras) -> str:
    settings = stack.settings
    model = "scripted: it only plays" if stack.model else settings.model_url or "Anthropic"
    where = settings.data_dir if settings.store == "sqlite" else f"DynamoDB, {settings.dynamodb_endpoint or 'AWS'}"
    lines = [
        f"Concave is serving at {stack.url}",
        "",
        f"names     {os.environ.get('ALLOWED_HOSTS') or 'this machine only (ALLOWED_HOSTS)'}",
        f"store     {where}",
        f"model     {model}",
        f"apps      {', '.join(settings.apps)}",
        f"sign in   {', '.join(each.issuer for each in settings.auth) or 'nobody: callers are anonymous'}",
    ]
    if stack.dashboard is not None:
        lines.append(f"dashboard {stack.url}{stack.dashboard.link()}")
    if extras.tokens:
        lines.append("WARNING   DEV_TOKENS=on: whoever reaches this server can be anybody")
    own = [name for name in SHARED_KEYS if not os.environ.get(name)]
    if settings.store == "dynamodb" and own:
        lines.append(f"WARNING   {', '.join(own)}: made by this server for itself; name them where another shares its store")
    if not listen.private and listen.certificate is None and not listen.proxies:
        lines.append("WARNING   plain HTTP, reached by others: set TLS_CERTIFICATE and TLS_KEY, or TRUSTED_PROXIES")
    return "\n" + "\n".join(f"  {line}".rstrip() for line in lines) + "\n"


if __name__ == "__main__":
    end(main())
