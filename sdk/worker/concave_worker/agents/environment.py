"""What an agent's process may see of this machine's environment: an allow-list, and never the worker's own secret."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

ALLOWED = (
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TERM", "TMPDIR",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
)  # fmt: skip
PREFIXES = ("LC_", "XDG_", "ANTHROPIC_", "CLAUDE_CODE_", "OPENCODE_")
FORBIDDEN = "CONCAVE_"
"""Names that begin so are the worker's own; not even `--env` lets them through."""


def allowed(environment: Mapping[str, str], more: Iterable[str] = ()) -> dict[str, str]:
    """The part of an environment that agents get.

    Args:
        environment: this process's.
        more: further names that the machine's owner lets through (`--env`).
    """
    names = {*ALLOWED, *more}
    return {
        name: value
        for name, value in environment.items()
        if (name in names or name.startswith(PREFIXES)) and not name.startswith(FORBIDDEN)
    }
