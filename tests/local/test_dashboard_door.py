"""The dashboard's door: links that work once, cookies among those of others, and what is thrown at it."""

from __future__ import annotations

import json
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from chalicelib.runtime.keys import AuthFailed
from chalicelib.runtime.operators import Operators, mint, public_half
from infra.local.aws.shapes import Request
from infra.local.guides import Guides
from infra.local.operators import KEY_S, LINK_S, MOST_LINKS, STAY_S, Dashboard, SystemClock
from infra.local.routes import Answer

SIGNS = "5" * 64


class Door:
    """A door, and the browsers in front of it; time stands still until a test moves it."""

    def __init__(self, folder: Path, port: int = 3210, private: str = SIGNS) -> None:
        self.host, self.now = f"127.0.0.1:{port}", 1_800_000_000.0
        self.off: set[str] = set()
        self.operators = Operators([public_half(private)], self, "_public", lambda: self.off)
        self.dashboard = Dashboard(folder, self.operators, private, now=lambda: self.now)

    def now_ms(self) -> int:
        return int(self.now * 1000)

    def asked(self, method: str, target: str, body: bytes = b"", peer: str = "127.0.0.1", **headers: str) -> Answer:
        named = tuple((name.replace("_", "-"), value) for name, value in {"Host": self.host, **headers}.items())
        answer = self.dashboard.answer(Request(method, target, named, body, peer))
        assert answer is not None
        return answer

    def entered(self) -> str:
        """The cookie, as a browser sends it back."""
        return set_cookie(self.asked("GET", self.dashboard.link())).partition(";")[0]

    def entered_by(self, key: str, role: str = "edit") -> tuple[str, str]:
        """The same by a link that an operator had made with a key, and how the cookie is set."""
        link = json.loads(self.asked("POST", "/_/link", json.dumps({"role": role}).encode(), Authorization=f"Convex {key}").body)
        told = set_cookie(self.asked("GET", link["path"]))
        return told.partition(";")[0], told

    def session(self, cookie: str, **headers: str) -> tuple[int, Any]:
        told = self.asked("POST", "/_/session", Cookie=cookie, **{"Origin": f"http://{self.host}", **headers})
        return told.status, json.loads(told.body)


def set_cookie(answer: Answer) -> str:
    return next(value for name, value in answer.headers if name == "Set-Cookie")


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(tmp_path)


def test_of_many_browsers_that_open_one_link_at_once_exactly_one_gets_in(door: Door) -> None:
    for _ in range(20):
        link, told, ready = door.dashboard.link(), Counter[int](), threading.Barrier(8)

        def opens(link: str = link, told: Counter[int] = told, ready: threading.Barrier = ready) -> None:
            ready.wait(10)
            told[door.asked("GET", link).status] += 1

        browsers = [threading.Thread(target=opens) for _ in range(8)]
        for each in browsers:
            each.start()
        for each in browsers:
            each.join(10)
        assert told == {303: 1, 403: 7}


def test_what_only_looks_at_a_link_does_not_use_it_up(door: Door) -> None:
    link = door.dashboard.link()
    assert door.asked("HEAD", link).status == 405
    assert door.asked("GET", link).status == 303


def test_a_link_ends_after_a_day_and_old_ones_make_room(door: Door) -> None:
    first = door.dashboard.link()
    door.now += LINK_S + 1
    assert door.asked("GET", first).status == 403
    kept = [door.dashboard.link() for _ in range(MOST_LINKS + 1)]
    assert door.asked("GET", kept[0]).status == 403
    assert door.asked("GET", kept[1]).status == 303


@pytest.mark.parametrize(
    "link", ["/_/?key=", "/_/?key=%00", "/_/?key=x&key=y", "/_/?key=" + "x" * 100_000, "/_/?key=%ff", "/_/?key"]
)
def test_what_is_no_link_lets_nobody_in(door: Door, link: str) -> None:
    assert not any(name == "Set-Cookie" for name, _ in door.asked("GET", link).headers)


@pytest.mark.parametrize(
    "others",
    [
        'theme={"dark": true}; {}',
        "{}; a[b]=c",
        "x=a b; {}",
        "=; {}",
        ";;{};",
        "é=1; {}",
        "{}; concave_operator_3210=x",
        "concave_operator_3210=x; {}",
        'q="; {}',
        "{}; expires",
    ],
)
def test_a_browsers_other_cookies_of_this_machine_are_no_hindrance(door: Door, others: str) -> None:
    cookie = door.entered()
    status, told = door.session(others.replace("{}", cookie))
    assert (status, told.get("role")) == (200, "edit")


def test_two_servers_of_one_machine_keep_their_browsers_apart(tmp_path: Path) -> None:
    one, other = Door(tmp_path / "a", 3210), Door(tmp_path / "b", 3211, "7" * 64)
    jar = dict(each.entered().split("=", 1) for each in (one, other))  # cookies know hosts, but no ports (RFC 6265, 8.5)
    both = "; ".join(f"{name}={value}" for name, value in jar.items())
    assert one.session(both)[0] == 200
    assert other.session(both)[0] == 200


def test_over_tls_the_cookie_goes_nowhere_else(tmp_path: Path) -> None:
    door = Door(tmp_path)
    plain = set_cookie(door.asked("GET", door.dashboard.link()))
    assert "Secure" not in plain
    proxied = set_cookie(door.asked("GET", door.dashboard.link(), X_Forwarded_Proto="https"))
    assert proxied.endswith("; Secure")


@pytest.mark.parametrize(
    "body", [b"[]", b"{", b"\xff", b"[" * 100_000, b'{"role": ["edit"]}', b'{"role": "admin"}', b'{"role": null}']
)
def test_a_link_that_cannot_be_asked_for_is_refused(door: Door, body: bytes) -> None:
    told = door.asked("POST", "/_/link", body, Authorization=f"Convex {mint(SIGNS, 'edit')}")
    assert told.status in (400, 401)


@pytest.mark.parametrize("cookie", ["", "x", f"concave_operator={mint('7' * 64, 'edit')}", "concave_operator=" + "é" * 5_000])
def test_without_its_cookie_nobody_gets_a_key(door: Door, cookie: str) -> None:
    assert door.session(cookie)[0] == 401


@pytest.mark.parametrize(
    "origin", ["", "null", "http://127.0.0.1:9999", "https://[", "http://127.0.0.1:3210@evil", "//127.0.0.1:3210.evil"]
)
def test_a_page_of_somebody_else_gets_no_key(door: Door, origin: str) -> None:
    assert door.session(door.entered(), Origin=origin)[0] == 403


def test_a_browser_stays_in_for_half_a_day_with_keys_of_an_hour(door: Door) -> None:
    cookie = door.entered()
    _, first = door.session(cookie)
    door.now += KEY_S + 1
    with pytest.raises(Exception, match="has ended"):
        door.operators.user(first["key"])
    assert door.session(cookie)[0] == 200
    door.now += STAY_S
    assert door.session(cookie)[0] == 401


def test_a_browser_that_may_only_read_never_gets_more(door: Door) -> None:
    cookie = set_cookie(door.asked("GET", door.dashboard.link("read"))).partition(";")[0]
    _, told = door.session(cookie)
    assert (told["role"], door.operators.user(told["key"]).operator_role) == ("read", "read")
    link = door.asked("POST", "/_/link", b'{"role": "edit"}', Authorization=f"Convex {told['key']}")
    assert json.loads(link.body)["role"] == "read"


def test_who_opens_a_link_is_the_operator_who_had_it_made(door: Door) -> None:
    cookie, _ = door.entered_by(mint(SIGNS, "edit", "ann"))
    key = door.session(cookie)[1]["key"]
    assert door.operators.user(key).operator_name == "ann"
    again, _ = door.entered_by(key)
    assert door.operators.user(door.session(again)[1]["key"]).operator_name == "ann", "also by a link that the page had made"
    printed = door.session(door.entered())[1]["key"]
    assert door.operators.user(printed).operator_name == "dashboard"


def test_a_browser_is_out_when_the_name_of_its_links_maker_is_revoked(door: Door) -> None:
    ann = mint(SIGNS, "edit", "ann")
    cookie, _ = door.entered_by(ann)
    waiting = json.loads(door.asked("POST", "/_/link", b"", Authorization=f"Convex {ann}").body)["path"]
    key = door.session(cookie)[1]["key"]
    door.off.add("ann")
    assert door.session(cookie)[0] == 401
    with pytest.raises(AuthFailed, match="count no more"):
        door.operators.user(key)
    assert door.session(set_cookie(door.asked("GET", waiting)).partition(";")[0])[0] == 401, "a link that waited opens nothing"
    assert door.asked("POST", "/_/link", b"", Authorization=f"Convex {ann}").status == 401
    assert door.session(door.entered())[0] == 200, "others stay"


def test_a_browser_stays_no_longer_than_the_key_that_its_link_was_made_with(door: Door) -> None:
    ends = int(door.now) + 600
    cookie, told = door.entered_by(mint(SIGNS, "edit", "ann", ends))
    assert "; Max-Age=600;" in told
    _, session = door.session(cookie)
    assert session["expires"] == ends * 1000
    late = json.loads(door.asked("POST", "/_/link", b"", Authorization=f"Convex {session['key']}").body)["path"]
    door.now = ends + 1
    assert door.session(cookie)[0] == 401
    with pytest.raises(AuthFailed, match="has ended"):
        door.operators.user(session["key"])
    assert door.session(set_cookie(door.asked("GET", late)).partition(";")[0])[0] == 401, "nor by a link made with a key of it"


def test_other_machines_find_nothing(door: Door) -> None:
    assert door.dashboard.answer(Request("GET", door.dashboard.link(), (("Host", door.host),), peer="192.0.2.1")) is None


def test_below_the_dashboard_and_the_guides_there_is_no_way_to_other_files(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("hidden words")
    for name in ("dash", "guides"):
        (tmp_path / name / "assets").mkdir(parents=True)
        (tmp_path / name / "index.html").write_text("<!doctype html>")
        (tmp_path / name / "out.txt").symlink_to(tmp_path / "secret.txt")
    door, guides = Door(tmp_path / "dash"), Guides(tmp_path / "guides")
    up = (
        "../",
        "%2e%2e/",
        "..%2f",
        "%2e%2e%2f",
        "..\\",
        "assets/../../",
        "./../",
        "%252e%252e/",
        "/",
        "//",
        f"{tmp_path}/",
        "%00",
    )
    for way in [*(f"{each}secret.txt" for each in up), "out.txt", "..", "x" * 5_000 + ".txt"]:
        for answer in (door.asked("GET", f"/_/{way}"), guides.answer(Request("GET", f"/docs/{way}", (("Host", door.host),)))):
            assert answer is not None, way
            assert b"hidden words" not in answer.body, way
            assert answer.status == 404 or answer.body == b"<!doctype html>", way


def test_the_clock_of_keys_is_the_time_of_day() -> None:
    assert SystemClock.now_ms() > 1_700_000_000_000
