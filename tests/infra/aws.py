"""AWS's side of the packaged functions on a laptop: one HTTP server for all services, which asks IAM first.

Who calls is told by the access key in the request's signature, as in AWS; every function has one of its own. DynamoDB is a
real engine behind it, `@connections` the local server's; Lambda and SQS hand over to whoever runs the functions.
"""

from __future__ import annotations

import http.client
import json
import re
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.infra.permissions import Asked, Statement, denied, of_dynamodb, of_lambda, of_secret, of_socket, of_sqs

INVOKE = re.compile(r"/2015-03-31/functions/([^/]+)/invocations")
SOCKET = re.compile(r"/api/@connections/([^/]+)")


class Aws:
    """The server.

    Args:
        engine: the DynamoDB engine's address.
        policies: each function's statements, by entry.
        invoke: starts a function (its name) with a payload.
        enqueue: takes a queue's name, a message and a delay in seconds.
        secrets: values by ARN.
    """

    def __init__(
        self,
        engine: str,
        policies: Mapping[str, list[Statement]],
        invoke: Callable[[str, Any], None],
        enqueue: Callable[[str, str, int], None],
        secrets: Mapping[str, str],
    ) -> None:
        self.engine, self.policies, self.secrets = engine, policies, secrets
        self.invoke, self.enqueue = invoke, enqueue
        self.sockets = ""
        """Address of the local server, whose `@connections` are asked."""
        self._asked: dict[str, set[Asked]] = {}
        self.posted: list[tuple[str, str, str]] = []
        """Every post: function, connection, text."""
        self.refused: list[tuple[str, Asked]] = []
        self.enforces = True
        """False lets everything through, to see what is asked."""
        self._lock = threading.Lock()
        self._here = threading.local()
        handler = type("Handler", (_Handler,), {"aws": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Its address, for AWS_ENDPOINT_URL."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        """Close the port."""
        self._server.shutdown()
        self._server.server_close()

    def hang_up(self) -> None:
        """Close what this thread has kept open."""
        for connection in self._here.__dict__.pop("kept", {}).values():
            connection.close()

    def may(self, who: str, asked: Asked) -> bool:
        """Remember what was asked, and say whether it is granted."""
        granted = any(each.allows(asked) for each in self.policies[who])
        with self._lock:
            self._asked.setdefault(who, set()).add(asked)
            if not granted:
                self.refused.append((who, asked))
        return granted or not self.enforces

    def asked(self, *who: str) -> set[Asked]:
        """What these functions have asked for so far; without a name, what all of them have."""
        with self._lock:
            return set().union(*(self._asked.get(each, set()) for each in who or self._asked))

    def forward(self, base: str, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes, str]:
        """Pass a request on; its status, body and content type. Each thread keeps its connections."""
        kept: dict[str, http.client.HTTPConnection] = self._here.__dict__.setdefault("kept", {})
        if base not in kept:
            kept[base] = http.client.HTTPConnection(urlsplit(base).netloc, timeout=60)
        try:
            kept[base].request(method, path, body, dict(headers))
            answer = kept[base].getresponse()
            return answer.status, answer.read(), answer.headers.get("Content-Type", "application/json")
        except (http.client.HTTPException, OSError) as error:
            kept.pop(base).close()
            return 503, json.dumps({"message": f"not reachable: {error}"}).encode(), "application/json"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    aws: Aws

    def finish(self) -> None:
        """The caller has hung up."""
        super().finish()
        self.aws.hang_up()

    def do_POST(self) -> None:
        """Every request of an SDK, except closing a socket."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        target = self.headers.get("X-Amz-Target", "")
        service, _, operation = target.rpartition(".")
        path = unquote(self.path)
        if service.startswith("DynamoDB"):
            self._dynamodb(operation, body)
        elif service == "AmazonSQS":
            self._sqs(operation, json.loads(body))
        elif service == "secretsmanager":
            self._secret(json.loads(body))
        elif function := INVOKE.fullmatch(path):
            self._lambda(function[1], body)
        elif socket := SOCKET.fullmatch(path):
            self._socket("POST", socket[1], body)
        else:
            self._answer(400, b'{"message":"not emulated"}')

    def do_GET(self) -> None:
        """Looking whether a socket is there."""
        self._about_a_socket("GET")

    def do_DELETE(self) -> None:
        """Closing a socket."""
        self._about_a_socket("DELETE")

    def _about_a_socket(self, verb: str) -> None:
        socket = SOCKET.fullmatch(unquote(self.path))
        if socket:
            self._socket(verb, socket[1], b"")
        else:
            self._answer(400, b'{"message":"not emulated"}')

    # Services -----------------------------------------------------------------------------------------------------------

    def _dynamodb(self, operation: str, body: bytes) -> None:
        if self._granted(*of_dynamodb(operation, json.loads(body))):
            headers = {
                name: self.headers[name]
                for name in ("X-Amz-Target", "Content-Type", "Authorization", "X-Amz-Date")
                if name in self.headers
            }
            self._answer(*self.aws.forward(self.aws.engine, "POST", "/", body, headers))

    def _sqs(self, operation: str, asked: dict[str, Any]) -> None:
        if self._granted(of_sqs(operation, asked["QueueUrl"])):
            self.aws.enqueue(asked["QueueUrl"].rpartition("/")[2], asked["MessageBody"], int(asked.get("DelaySeconds", 0)))
            self._answer(200, b'{"MessageId":"m-1"}')

    def _secret(self, asked: dict[str, Any]) -> None:
        if self._granted(of_secret(asked["SecretId"])):
            answer = {"ARN": asked["SecretId"], "SecretString": self.aws.secrets[asked["SecretId"]]}
            self._answer(200, json.dumps(answer).encode())

    def _lambda(self, name: str, body: bytes) -> None:
        if self._granted(of_lambda(name)):
            self.aws.invoke(name, json.loads(body))
            self._answer(202, b"")

    def _socket(self, verb: str, connection: str, body: bytes) -> None:
        if self._granted(of_socket(verb, connection)):
            host = urlsplit(self.aws.sockets).netloc
            if verb == "POST":
                self.aws.posted.append((self._who(), connection, body.decode()))
            self._answer(*self.aws.forward(self.aws.sockets, verb, f"/_aws/ws/@connections/{connection}", body, {"Host": host}))

    # Requests -----------------------------------------------------------------------------------------------------------

    def _granted(self, *asked: Asked) -> bool:
        """Ask IAM about all of it; answers itself when something is not granted."""
        who = self._who()
        refused = [each for each in asked if not self.aws.may(who, each)]
        if refused:
            self._answer(403, denied(refused[0], who))
        return not refused

    def _who(self) -> str:
        found = re.search(r"Credential=([^/]+)/", self.headers.get("Authorization", ""))
        return found[1] if found else "nobody"

    def _answer(self, status: int, body: bytes, content: str = "application/x-amz-json-1.0") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content)
        self.send_header("Content-Length", str(len(body)))
        if status == 410:
            self.send_header("x-amzn-ErrorType", "GoneException")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""
