"""`make serve`: what it asks for before it serves others, what it does not give them, and how it ends."""

from __future__ import annotations

import datetime
import ipaddress
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from chalicelib.environment import BadSetting
from infra.local.listen import Listen
from infra.local.production import NotReady, production
from tests.local.test_stack import HOME, Process

ISSUER = {"AUTH_ISSUER": "https://issuer.test", "AUTH_AUDIENCE": "concave", "AUTH_JWKS": "data:application/json,{}"}
READY = {**ISSUER, "MODEL_URL": "http://127.0.0.1:9"}


class Serving(Process):
    """`python -m infra.local.serve` in a folder of its own."""

    program = "infra.local.serve"

    def __init__(self, folder: Path, **env: str) -> None:
        super().__init__(folder, **{"ANONYMOUS": "on", **env})


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    made = Serving(tmp_path)
    yield made
    if made.process.poll() is None:
        made.end(signal.SIGKILL)


# What it asks for -------------------------------------------------------------------------------------------------------


def test_a_whole_set_of_settings_is_enough_and_is_as_strict_as_a_stage() -> None:
    settings, listen, extras = production(READY)
    assert (settings.store, settings.prefix, settings.development) == ("sqlite", "", False)
    assert (settings.mcp_hosts, settings.calls_per_second) == ((), 200)
    assert (listen.host, listen.stop_s, listen.access_log) == ("127.0.0.1", 10, True)
    assert (extras.tokens, extras.model, extras.posted_to) == (False, False, False)


@pytest.mark.parametrize(
    ("env", "sentences"),
    [
        ({}, ["Nobody could sign in", "No model could answer"]),
        (ISSUER, ["No model could answer"]),
        ({"MODEL_URL": "http://127.0.0.1:9"}, ["Nobody could sign in"]),
        ({"DEV_TOKENS": "on", "SCRIPTED_MODEL": "on", "HOST": "0.0.0.0"}, ["set ALLOWED_HOSTS"]),
        ({**READY, "HOST": "::", "ALLOWED_HOSTS": "a.test", "STORE": "dynamodb", "LIVE": "rows"}, ["STORE=sqlite"]),
    ],
)
def test_what_is_missing_is_said_all_at_once(env: dict[str, str], sentences: list[str]) -> None:
    with pytest.raises(NotReady) as refused:
        production(env)
    assert len(refused.value.missing) == len(sentences)
    assert all(wanted in said for wanted, said in zip(sentences, refused.value.missing, strict=True))


def test_an_app_without_the_chat_needs_no_model() -> None:
    assert production({**ISSUER, "CONCAVE_APPS": "examples.counter"})


@pytest.mark.parametrize(
    ("env", "name"),
    [
        ({"STAGE": "prod"}, "STAGE"),
        ({"HOST": "localhost"}, "HOST"),
        ({"TRUSTED_PROXIES": "10.0.0.0/8, proxy"}, "TRUSTED_PROXIES"),
        ({"TLS_CERTIFICATE": "/nowhere.pem", "TLS_KEY": "/nowhere.pem"}, "TLS_CERTIFICATE"),
        ({"TLS_KEY": __file__}, "TLS_CERTIFICATE"),
        ({"TLS_CERTIFICATE": __file__}, "TLS_KEY"),
        ({"WS_COMPRESSION": "yes"}, "WS_COMPRESSION"),
        ({"STOP_SECONDS": "-1"}, "STOP_SECONDS"),
        ({"MAX_CONNECTIONS": "0"}, "MAX_CONNECTIONS"),
        ({"DEV_TOKEN": "on"}, "DEV_TOKEN"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(env: dict[str, str], name: str) -> None:
    with pytest.raises(BadSetting) as refused:
        production({**READY, **env})
    assert refused.value.name == name


def test_the_command_says_what_is_missing_and_does_not_start(tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path / "data"), "PORT": "0"}
    run = [sys.executable, "-m", "infra.local.serve"]
    done = subprocess.run(run, cwd=HOME, env=env, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 3
    assert "AUTH_ISSUER" in done.stderr
    assert "ANTHROPIC_API_KEY" in done.stderr
    env |= {**READY, "MAX_CONNECTIONS": "1000000"}
    done = subprocess.run(
        ["bash", "-c", 'ulimit -Hn 4096; exec "$@"', "-", *run],
        cwd=HOME,
        env=env,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert "1000200 open files" in done.stderr
    files = {"TLS_CERTIFICATE": __file__, "TLS_KEY": __file__, "MAX_CONNECTIONS": "100"}
    done = subprocess.run(run, cwd=HOME, env={**env, **files}, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("concave: TLS_CERTIFICATE and TLS_KEY cannot be used")


# What it does not give --------------------------------------------------------------------------------------------------


def status(port: int, path: str, body: bytes | None = None, **headers: str) -> int:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, {k.replace("_", "-"): v for k, v in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_it_serves_functions_and_no_tokens_for_anybody_and_no_posts_to_sockets(serving: Serving) -> None:
    assert serving.call("mutation", "stack_app:add", name="a") == 1
    assert status(serving.port, "/version") == 200
    assert status(serving.port, "/dev/token", b'{"subject": "a", "org": "b"}') in (404, 405)
    with connect(f"ws://127.0.0.1:{serving.port}/api/sync"):
        for connection in ("none", "x.1", f"x.{serving.port}"):
            assert status(serving.port, f"/_aws/ws/@connections/{connection}", b"x") == 404
    assert status(serving.port, "/version", Host="evil.test") == 403
    assert "running at http://127.0.0.1" not in serving.said()
    assert "serving at http://127.0.0.1" in serving.said()


def test_what_was_answered_survives_kill_9(serving: Serving) -> None:
    for number in range(1, 6):
        assert serving.call("mutation", "stack_app:add", name="a") == number
    serving.end(signal.SIGKILL)
    serving.start()
    assert serving.call("query", "stack_app:read", name="a") == 5


def test_a_failing_function_tells_no_details_and_saving_a_file_changes_nothing(serving: Serving) -> None:
    serving.save(serving.module.read_text().replace("by: int = 1", "by: int = 100"))
    told = serving.call("mutation", "stack_app:add", name="a", by="x")
    assert told["status"] == "error"
    assert serving.call("mutation", "stack_app:add", name="a") == 1
    assert serving.call("mutation", "stack_app:add", name="a") == 2


def test_the_access_log_has_a_line_for_each_request_and_no_query(serving: Serving) -> None:
    status(serving.port, "/version?token=s3cret")
    status(serving.port, "/none/of/it")
    with connect(f"ws://127.0.0.1:{serving.port}/api/sync?token=s3cret"):
        pass
    serving.until(lambda: "127.0.0.1 GET /api/sync 101 0" in serving.said(), True)
    assert "127.0.0.1 GET /version 200 " in serving.said()
    assert "127.0.0.1 GET /none/of/it 404 " in serving.said()
    assert "s3cret" not in serving.said()


def test_a_proxy_that_is_trusted_says_who_calls_and_nobody_else_does(tmp_path: Path) -> None:
    for number, (proxies, seen) in enumerate([("", "127.0.0.1"), ("127.0.0.0/8", "203.0.113.9")]):
        serving = Serving(tmp_path / str(number), TRUSTED_PROXIES=proxies, ALLOWED_HOSTS="chat.example.com")
        try:
            headers = {"X_Forwarded_For": "198.51.100.1, 203.0.113.9", "X_Forwarded_Proto": "https", "Host": "chat.example.com"}
            assert status(serving.port, "/version", **headers) == 200
            serving.until(lambda serving=serving, seen=seen: f"{seen} GET /version 200" in serving.said(), True)
        finally:
            serving.end(signal.SIGKILL)


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_who_listens_everywhere_knows_a_proxy_by_its_ipv4_address(tmp_path: Path) -> None:
    serving = Serving(tmp_path, HOST="::", TRUSTED_PROXIES="127.0.0.1", ALLOWED_HOSTS="chat.example.com")
    try:
        assert status(serving.port, "/version", X_Forwarded_For="203.0.113.9") == 200
        with connect(f"ws://127.0.0.1:{serving.port}/api/sync", additional_headers={"X-Forwarded-For": "203.0.113.9"}):
            pass
        serving.until(lambda: "203.0.113.9 GET /api/sync 101" in serving.said(), True)
        assert "203.0.113.9 GET /version 200" in serving.said()
    finally:
        serving.end(signal.SIGKILL)


# TLS --------------------------------------------------------------------------------------------------------------------


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(made.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return folder / "certificate.pem", folder / "key.pem"


def presented(port: int) -> str:
    """Whose certificate a client gets."""
    context = ssl._create_unverified_context()
    with socket.create_connection(("127.0.0.1", port), timeout=5) as line, context.wrap_socket(line) as secure:
        found = x509.load_der_x509_certificate(secure.getpeercert(binary_form=True) or b"")
    return str(found.subject.rfc4514_string())


def test_it_serves_https_and_wss_and_takes_a_renewed_certificate_without_a_stop(tmp_path: Path) -> None:
    public, key = certificate(tmp_path, "first")
    serving = Serving(tmp_path / "own", TLS_CERTIFICATE=str(public), TLS_KEY=str(key), GATEWAY_LIMITS="on")
    try:
        trust = ssl.create_default_context(cafile=str(public))
        with urllib.request.urlopen(f"https://127.0.0.1:{serving.port}/version", timeout=10, context=trust) as answer:
            assert answer.status == 200
        with connect(f"wss://127.0.0.1:{serving.port}/api/sync", ssl=trust) as client:
            assert presented(serving.port) == "CN=first"
            key.write_text("half a file")
            serving.process.send_signal(signal.SIGHUP)
            serving.until(lambda: "still the old one" in serving.said(), True)
            assert presented(serving.port) == "CN=first"
            certificate(tmp_path, "second")
            serving.process.send_signal(signal.SIGHUP)
            serving.until(lambda: presented(serving.port), "CN=second")
            client.send("x" * 40_000)  # beyond the gateway's 32 KB: closed with its code, through TLS as well
            with pytest.raises(ConnectionClosed):
                client.recv(timeout=10)
            assert client.close_code == 1009
        assert serving.end(signal.SIGTERM) == 0
    finally:
        if serving.process.poll() is None:
            serving.end(signal.SIGKILL)


# How it ends ------------------------------------------------------------------------------------------------------------

SLOW = """

import threading, pathlib, os

@mutation
def slow(ctx: MutationCtx, name: str) -> int:
    here = pathlib.Path(os.environ["DATA_DIR"])
    (here / "begun").touch()
    for _ in range(2000):
        if (here / "go").exists():
            break
        threading.Event().wait(0.01)
    return 1
"""


def test_sigterm_lets_a_call_that_runs_be_answered_and_takes_no_new_one(tmp_path: Path) -> None:
    serving = Serving(tmp_path, STOP_SECONDS="20")
    try:
        serving.save(serving.module.read_text() + SLOW)
        serving.end(signal.SIGKILL)
        serving.start()
        answers: list[Any] = []
        caller = threading.Thread(target=lambda: answers.append(serving.call("mutation", "stack_app:slow", name="a")))
        with connect(f"ws://127.0.0.1:{serving.port}/api/sync") as client:
            caller.start()
            serving.until(lambda: (serving.data / "begun").exists(), True)
            serving.process.send_signal(signal.SIGTERM)
            with pytest.raises(ConnectionClosed):
                client.recv(timeout=10)
            assert client.close_code == 1001
        serving.until(lambda: not accepts(serving.port), True)
        assert not answers
        (serving.data / "go").touch()
        caller.join(10)
        assert answers == [1]
        assert serving.process.wait(15) == 0
    finally:
        if serving.process.poll() is None:
            serving.end(signal.SIGKILL)


def accepts(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            return True
    except OSError:
        return False


def test_what_takes_longer_than_its_time_is_cut(tmp_path: Path) -> None:
    serving = Serving(tmp_path, STOP_SECONDS="1")
    try:
        serving.save(serving.module.read_text() + SLOW)
        serving.end(signal.SIGKILL)
        serving.start()
        body = json.dumps({"path": "stack_app:slow", "args": {"name": "a"}}).encode()
        with socket.create_connection(("127.0.0.1", serving.port), timeout=20) as line:
            head = f"POST /api/mutation HTTP/1.1\r\nHost: 127.0.0.1:{serving.port}\r\nContent-Length: {len(body)}\r\n\r\n"
            line.sendall(head.encode() + body)
            serving.until(lambda: (serving.data / "begun").exists(), True)
            began = time.monotonic()
            assert serving.end(signal.SIGTERM) == 0
            assert time.monotonic() - began < 12, "it does not wait for a call of twenty seconds"
    finally:
        if serving.process.poll() is None:
            serving.end(signal.SIGKILL)


# Sockets ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("setting", "compressed"), [("on", True), ("off", False)])
def test_compression_is_a_setting(tmp_path: Path, setting: str, compressed: bool) -> None:
    serving = Serving(tmp_path, WS_COMPRESSION=setting)
    try:
        with connect(f"ws://127.0.0.1:{serving.port}/api/sync") as client:
            assert bool(client.protocol.extensions) is compressed
            session = {
                "sessionId": "8f7a3c1e-0000-4000-8000-000000000000",
                "connectionCount": 0,
                "lastCloseReason": "InitialConnect",
            }
            add = {"type": "Add", "queryId": 0, "udfPath": "stack_app:read", "args": [{"name": "a" * 5000}]}
            client.send(json.dumps({"type": "Connect", **session, "clientTs": 0}))
            client.send(json.dumps({"type": "ModifyQuerySet", "baseVersion": 0, "newVersion": 1, "modifications": [add]}))
            assert json.loads(client.recv(timeout=10))["type"] == "Transition"
    finally:
        serving.end(signal.SIGKILL)


def test_a_socket_beyond_the_most_is_refused_and_the_others_go_on(tmp_path: Path) -> None:
    serving = Serving(tmp_path, MAX_CONNECTIONS="3")
    url = f"ws://127.0.0.1:{serving.port}/api/sync"
    try:
        with connect(url) as one, connect(url), connect(url):
            with pytest.raises(InvalidStatus) as refused:
                connect(url)
            assert refused.value.response.status_code == 503
            assert one.ping().wait(5)
    finally:
        serving.end(signal.SIGKILL)


def test_listening_knows_what_is_private() -> None:
    assert Listen().private
    assert Listen(host="::1").private
    assert not Listen(host="0.0.0.0").private
