"""The HTTP doors without a server: a caller of `http.handle`, and the same as a WSGI app for tools that want one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import parse_qsl, quote

from chalicelib.backend import Backend
from chalicelib.doors.http import HttpRequest, HttpResponse, handle
from chalicelib.runtime.identity import AuthFailed, User


class Names:
    """A verifier that takes `subject@org` for a token, and leaves other tokens to the one behind it."""

    def __init__(self, behind: Any = None) -> None:
        self.behind = behind

    def verify(self, token: str) -> User:
        subject, at, org = token.partition("@")
        if at:
            return User(subject=subject, issuer="https://test", org=org)
        if self.behind is not None:
            return self.behind.verify(token)  # type: ignore[no-any-return]
        raise AuthFailed("The token is not a JSON Web Token.")


class Rest:
    """Somebody at the REST door."""

    def __init__(self, backend: Backend, token: str | None = None) -> None:
        self.backend, self.token = backend, token

    def __call__(self, method: str, target: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """The status, and the body as JSON."""
        answer = self.raw(method, target, body, **headers)
        return answer.status, json.loads(answer.body)

    def raw(self, method: str, target: str, body: Any = None, **headers: str) -> HttpResponse:
        """The answer as it is."""
        path, _, query = target.partition("?")
        own = {} if self.token is None else {"authorization": f"Bearer {self.token}"}
        text = b"" if body is None else json.dumps(body).encode()
        return handle(self.backend, HttpRequest(method, path, dict(parse_qsl(query)), {**own, **headers}, text))


def wsgi(backend: Backend) -> Callable[..., Iterable[bytes]]:
    """The doors as a WSGI app."""

    def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterator[bytes]:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        headers = {name[5:].replace("_", "-").lower(): str(text) for name, text in environ.items() if name.startswith("HTTP_")}
        path = quote(environ.get("PATH_INFO", "/").encode("latin-1"), safe="/%:@!$&'()*+,;=~-._")
        query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
        body = environ["wsgi.input"].read(length) if length else b""
        answer = handle(backend, HttpRequest(environ["REQUEST_METHOD"], path, query, headers, body))
        start(f"{answer.status} Told", list(answer.headers.items()))
        yield answer.body.encode()

    return app
