"""One push message: encrypted for its browser, signed by its sender, to a push service that may be reached."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from chalicelib import hosts
from chalicelib.environment import PUSH_SERVICES
from chalicelib.push import Delivered, Gone, Keys, Outcome, Refused, Retry, Subscription, send
from chalicelib.push.outcome import of_answer
from chalicelib.push.sender import LARGEST, allowed, fitting
from infra.local.push_keys import encoded
from tests.support.push_service import Browser, PushService, signed_by

KEYS = Keys(*encoded(ec.generate_private_key(ec.SECP256R1())), subject="mailto:operator@example.com")
TOLD = {"title": "Claude Response Ready", "body": "The bridge stands.", "url": "#/s/1", "tag": "conv-1", "badge": 2}


def sent(to: Browser, service: PushService, payload: dict[str, Any] = TOLD, **more: Any) -> Outcome:
    """Send a message where the operator has named the service as one of a laptop."""
    keys = to.subscription["keys"]
    return send(Subscription(to.endpoint, keys["p256dh"], keys["auth"]), payload, KEYS, (service.origin,), **more)


# What is sent -------------------------------------------------------------------------------------------------------------


def test_a_message_arrives_and_only_its_browser_can_open_it() -> None:
    with PushService() as service:
        browser, other = service.browser("one"), service.browser("two")
        assert sent(browser, service) == Delivered()
        arrived = service.wait()[0]
    assert (arrived.path, browser.opened(arrived)) == ("/send/one", TOLD)
    assert b"bridge" not in arrived.body
    with pytest.raises(Exception, match=r"(?i)decrypt|tag"):
        other.opened(arrived)
    assert 0 < int(arrived.headers["ttl"]) <= 28 * 86400
    assert arrived.headers["urgency"] == "high"
    assert 0 < len(arrived.headers["topic"]) <= 32


def test_it_is_signed_for_the_service_that_it_goes_to_each_time_anew() -> None:
    with PushService() as one, PushService() as two:
        for service in (one, two, one):
            assert sent(service.browser(), service) == Delivered()
        for service in (one, two):
            for arrived in service.arrived:
                claims = signed_by(arrived, KEYS.public, service.origin)
                assert (claims["aud"], claims["sub"]) == (service.origin, "mailto:operator@example.com")
        assert (len(one.arrived), len(two.arrived)) == (2, 1)


@pytest.mark.parametrize("text", ["x" * 9000, "ä" * 9000, "🦆" * 9000, '"' * 9000, "\\" * 9000, "\ud800" * 9000])
def test_a_message_is_cut_to_what_every_service_takes_by_whole_characters(text: str) -> None:
    with PushService() as service:
        browser = service.browser()
        assert sent(browser, service, {**TOLD, "body": text}) == Delivered()
        told = browser.opened(service.wait()[0])
        assert len(service.arrived[0].body) <= 4096
    assert LARGEST - 40 <= len(json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()) <= LARGEST
    assert told["body"].endswith("…")
    assert {**told, "body": ""} == {**TOLD, "body": ""}
    assert set(told["body"]) - {"…"} <= {text[0], "?"}


def test_a_long_title_is_cut_once_the_body_is_gone() -> None:
    told = json.loads(fitting({**TOLD, "title": "t" * 9000}))
    assert told["body"] == ""
    assert 2000 < len(told["title"]) < LARGEST
    with pytest.raises(ValueError, match="3000 bytes"):
        fitting({**TOLD, "url": "u" * 9000})


def test_a_message_that_cannot_be_encrypted_or_signed_is_refused() -> None:
    with PushService() as service:
        whole = service.browser().subscription
        other = Keys(KEYS.public, encoded(ec.generate_private_key(ec.SECP256R1()))[1], KEYS.subject)
        for p256dh, auth, keys in (
            ("BA", whole["keys"]["auth"], KEYS),
            ("B" + "A" * 86, whole["keys"]["auth"], KEYS),  # no point of the curve
            ("…", whole["keys"]["auth"], KEYS),
            (whole["keys"]["p256dh"], whole["keys"]["auth"], other),
            (whole["keys"]["p256dh"], whole["keys"]["auth"], Keys(KEYS.public, KEYS.private, "nobody")),
        ):
            found = send(Subscription(whole["endpoint"], p256dh, auth), TOLD, keys, (service.origin,))
            assert isinstance(found, Refused), (p256dh, auth)
        assert service.arrived == []


# What becomes of it -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "headers", "outcome"),
    [
        (200, {}, Delivered()),
        (201, {}, Delivered()),
        (202, {}, Delivered()),
        (404, {}, Gone()),
        (410, {}, Gone()),
        (413, {}, Refused("HTTP 413")),
        (400, {}, Refused("HTTP 400")),
        (403, {}, Refused("HTTP 403")),
        (429, {"retry-after": "120"}, Retry("HTTP 429", 120.0)),
        (429, {}, Retry("HTTP 429", 0.0)),
        (429, {"retry-after": "soon"}, Retry("HTTP 429", 0.0)),
        (503, {"retry-after": "Mon, 01 Jan 99999999999 00:00:00 GMT"}, Retry("HTTP 503", 0.0)),
        (500, {}, Retry("HTTP 500", 0.0)),
        (503, {"retry-after": "7"}, Retry("HTTP 503", 7.0)),
    ],
)
def test_each_answer_means_what_the_protocol_says(status: int, headers: dict[str, str], outcome: Outcome) -> None:
    with PushService((status, headers)) as service:
        assert sent(service.browser(), service) == outcome
        assert len(service.arrived) == 1


def test_a_date_to_come_again_is_understood() -> None:
    now = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
    at = format_datetime(now + timedelta(seconds=90), usegmt=True)
    assert of_answer(503, at, now) == Retry("HTTP 503", 90.0)
    assert of_answer(503, at, now + timedelta(hours=1)) == Retry("HTTP 503", 0.0)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    with PushService() as target, PushService((status, {"location": f"{target.origin}/send/two"})) as service:
        assert sent(service.browser(), service) == Refused(f"HTTP {status}")
        assert target.arrived == []


def test_a_service_that_does_not_answer_is_asked_again_later() -> None:
    with PushService() as service:
        browser, origin = service.browser(), service.origin
    keys = browser.subscription["keys"]
    found = send(Subscription(browser.endpoint, keys["p256dh"], keys["auth"]), TOLD, KEYS, (origin,))
    assert found == Retry("ConnectionRefusedError")


def _drip(handler: BaseHTTPRequestHandler) -> bool:
    """An answer whose every byte comes before a socket's own timeout, and whose end never does."""
    try:
        for byte in b"HTTP/1.1 201 Created\r\n" + b"x-more: 1\r\n" * 1000:
            handler.wfile.write(bytes([byte]))
            time.sleep(0.05)
    except OSError:
        pass
    return True


def _silent(handler: BaseHTTPRequestHandler) -> bool:
    handler.rfile.read(1)  # until the caller hangs up
    return True


@pytest.mark.parametrize("how", [_drip, _silent])
def test_a_slow_service_is_given_up_in_time(how: Any) -> None:
    with PushService(before=how) as service:
        began = time.monotonic()
        found = sent(service.browser(), service, seconds=0.5)
        took = time.monotonic() - began
    assert isinstance(found, Retry)
    assert took < 2


def test_what_is_no_http_is_asked_again_later() -> None:
    def nonsense(handler: BaseHTTPRequestHandler) -> bool:
        handler.wfile.write(b"SSH-2.0-OpenSSH_9.6\r\n")
        return True

    with PushService(before=nonsense) as service:
        assert isinstance(sent(service.browser(), service), Retry)


# Where it may go (check 26) ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://fcm.googleapis.com/fcm/send/abc",
        "https://updates.push.services.mozilla.com/wpush/v2/abc",
        "https://autopush.push.services.mozilla.com/wpush/v2/abc",
        "https://wns2-by3p.notify.windows.com/w/?token=abc",
        "https://web.push.apple.com/abc",
        "https://FCM.googleapis.com:443/fcm/send/abc",
    ],
)
def test_the_services_of_real_browsers_may_be_reached(endpoint: str) -> None:
    assert allowed(endpoint, PUSH_SERVICES).startswith("https://")
    assert allowed(endpoint, PUSH_SERVICES).islower()


FORBIDDEN = [
    "http://fcm.googleapis.com/fcm/send/abc",
    "https://evil.example/fcm.googleapis.com",
    "https://fcm.googleapis.com.evil.example/abc",
    "https://evilfcm.googleapis.com/abc",
    "https://notify.windows.com/w/",
    "https://user@fcm.googleapis.com/abc",
    "https://fcm.googleapis.com@127.0.0.1/abc",
    "https://fcm.googleapis.com:8443/abc",
    "https://fcm.googleapis.com/abc#part",
    "https://127.0.0.1/abc",
    "https://169.254.169.254/latest/meta-data/",
    "https://[::1]/abc",
    "https://2130706433/abc",
    "https://0x7f.1/abc",
    "https://localhost/abc",
    "http://127.0.0.1:{port}/abc",
    "http://localhost:{port}/abc",
    "http://127.0.0.1:{port}@fcm.googleapis.com/abc",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/abc",
    "//fcm.googleapis.com/abc",
    "https://",
    "",
]


@pytest.mark.parametrize("endpoint", FORBIDDEN)
def test_no_other_address_is_reached(endpoint: str) -> None:
    with PushService() as listener:
        browser = Browser(endpoint.replace("{port}", str(listener.port)))
        keys = browser.subscription["keys"]
        asked = list[str]()
        found = send(
            Subscription(browser.endpoint, keys["p256dh"], keys["auth"]),
            TOLD,
            KEYS,
            PUSH_SERVICES,
            resolver=lambda host, port: asked.append(host) or ["127.0.0.1"],  # type: ignore[func-returns-value]
        )
        assert isinstance(found, Refused)
        assert (asked, listener.arrived) == ([], [])


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["169.254.169.254"],
        ["10.0.0.1"],
        ["100.64.0.1"],
        ["0.0.0.0"],
        ["::1"],
        ["fd00::1"],
        ["fe80::1%eth0"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["2002:7f00:1::1"],
        ["224.0.0.1"],
        ["142.250.1.1", "127.0.0.1"],
        [],
    ],
)
def test_a_name_that_stands_for_a_private_address_is_not_reached(addresses: list[str]) -> None:
    with PushService() as listener:
        keys = listener.browser().subscription["keys"]
        began = time.monotonic()
        found = send(
            Subscription("https://fcm.googleapis.com/fcm/send/abc", keys["p256dh"], keys["auth"]),
            TOLD,
            KEYS,
            PUSH_SERVICES,
            resolver=lambda host, port: addresses,
        )
        assert found == Refused("the host stands for an address of a private network")
        assert time.monotonic() - began < 2
        assert listener.arrived == []


@pytest.mark.parametrize("host", ["a..push.apple.com", ".push.apple.com", f"{'a' * 64}.push.apple.com"])
def test_a_host_that_can_be_no_name_is_refused(host: str) -> None:
    """Python's resolver raises another error for it than for a name that nobody has."""
    with PushService() as service:
        keys = service.browser().subscription["keys"]
    found = send(Subscription(f"https://{host}/x", keys["p256dh"], keys["auth"]), TOLD, KEYS, PUSH_SERVICES)
    assert isinstance(found, Refused)
    assert "labels of 1 to 63" in found.why


def test_a_name_is_asked_once_and_what_was_checked_is_what_is_reached() -> None:
    """A name that changes its mind between the check and the connection gains nothing."""
    answers = iter([["192.0.2.1"], ["127.0.0.1"]])
    with PushService() as listener:
        endpoint = f"http://localhost:{listener.port}/send/one"
        keys = listener.browser().subscription["keys"]
        found = send(
            Subscription(endpoint, keys["p256dh"], keys["auth"]),
            TOLD,
            KEYS,
            (f"http://localhost:{listener.port}",),
            resolver=lambda host, port: next(answers),
            seconds=0.3,
        )
        assert isinstance(found, Retry)
        assert (next(answers), listener.arrived) == (["127.0.0.1"], [])


def test_an_origin_of_a_laptop_is_that_origin_and_no_other() -> None:
    with PushService() as listed, PushService() as other:
        keys = other.browser().subscription["keys"]
        for endpoint in (
            other.browser().endpoint,
            f"{listed.origin}@127.0.0.1:{other.port}/x",
            f"{listed.origin}5/x",
            f"http://localhost:{listed.port}/x",
        ):
            found = send(Subscription(endpoint, keys["p256dh"], keys["auth"]), TOLD, KEYS, (listed.origin,))
            assert isinstance(found, Refused), endpoint
        assert (listed.arrived, other.arrived) == ([], [])


def test_public_addresses_are_told_from_private_ones() -> None:
    assert not any(map(hosts.is_private_address, ["142.250.1.1", "2a00:1450:4001::1", "64:ff9b::8efa:101"]))
