"""Which names and pages the local server answers to."""

from __future__ import annotations

import pytest

from infra.local.origin_check import OriginCheck, is_loopback

CHECK = OriginCheck.from_env(3210, {"ALLOWED_HOSTS": "dev.box, proxy.test:8443", "ALLOWED_ORIGINS": "https://app.test"})


@pytest.mark.parametrize(
    "host", ["127.0.0.1:3210", "localhost:3210", "[::1]:3210", "LOCALHOST:3210", "dev.box", "dev.box:1", "proxy.test:8443"]
)
def test_names_of_this_machine_and_allowed_ones_are_served(host):
    assert CHECK.refusal(host, None) is None


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "evil.test",
        "evil.test:3210",
        "127.0.0.1",
        "localhost:80",
        "127.0.0.1.evil.test:3210",
        "proxy.test:1",
        "a@127.0.0.1:3210",
        "[::1",
        "x:y",
    ],
)
def test_other_names_are_refused(host):
    assert CHECK.refusal(host, None)


@pytest.mark.parametrize(
    "origin", ["http://127.0.0.1:3210", "http://localhost:5173", "http://[::1]:1", "https://dev.box", "https://app.test"]
)
def test_pages_of_this_machine_and_allowed_ones_may_call(origin):
    assert CHECK.refusal("localhost:3210", origin) is None


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "https://evil.test",
        "http://localhost.evil.test",
        "http://app.test",
        "https://app.test.evil.test",
        "file://localhost",
        "http://x@localhost:1",
    ],
)
def test_other_pages_are_refused(origin):
    assert CHECK.refusal("localhost:3210", origin)


def test_port_80_needs_no_port_in_the_host():
    assert OriginCheck(80).refusal("localhost", None) is None


@pytest.mark.parametrize(("address", "local"), [("127.0.0.1", True), ("::1", True), ("10.0.0.1", False), ("", False)])
def test_peers_of_this_machine(address, local):
    assert is_loopback(address) is local
