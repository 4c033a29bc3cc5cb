"""Cutting a connection wakes its reader, also under TLS and also when it opens later."""

import datetime
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from chalicelib.llm import wire


def test_a_cut_line_cuts_the_connection_that_opens_later() -> None:
    line = wire.Line()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert not line.cut()
        line.opened(ours)
        assert theirs.recv(1) == b""


def test_a_line_is_cut_twice_without_harm() -> None:
    line = wire.Line()
    ours, theirs = socket.socketpair()
    with theirs:
        line.opened(ours)
        assert line.cut()
        ours.close()
        assert line.cut()


def test_a_reader_under_tls_wakes_when_its_line_is_cut(tmp_path: Path) -> None:
    import httpx2

    line, reading, woken = wire.Line(), threading.Event(), threading.Event()
    errors: list[Exception] = []

    def read(url: str, trusted: ssl.SSLContext) -> None:
        try:
            with (
                wire.client(url, line, read_s=30, connect_s=5, certificates=trusted) as client,
                client.stream("GET", url) as answer,
            ):
                for _ in answer.iter_bytes():
                    reading.set()
        except httpx2.HTTPError as error:
            errors.append(error)
        woken.set()

    with _stalling_tls_server(tmp_path) as (url, trusted):
        thread = threading.Thread(target=read, args=(url, trusted))
        thread.start()
        assert reading.wait(5)
        assert line.heard is not None
        assert line.cut()
        assert woken.wait(1)
        thread.join()
    assert len(errors) == 1


def test_only_hosts_elsewhere_are_reached_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    assert wire._proxy("https", "api.example.com") == "http://127.0.0.1:9"
    assert wire._proxy("https", "localhost") is None
    monkeypatch.setenv("no_proxy", "example.com")
    assert wire._proxy("https", "api.example.com") is None


@contextmanager
def _stalling_tls_server(folder: Path) -> Iterator[tuple[str, ssl.SSLContext]]:
    """Sends the first chunk of an answer and then nothing, until the client leaves."""
    pem = _certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        raw, _ = listener.accept()
        with context.wrap_socket(raw, server_side=True, suppress_ragged_eofs=True) as peer:
            peer.recv(4096)
            peer.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
            peer.recv(1)

    thread = threading.Thread(target=serve)
    thread.start()
    with listener:
        yield f"https://localhost:{listener.getsockname()[1]}/", ssl.create_default_context(cafile=str(pem))
        thread.join()


def _certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    return path
