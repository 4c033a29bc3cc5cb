"""The dashboard's session in a stage: a key becomes a cookie, the cookie gives the key to the dashboard alone."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from chalicelib.doors.http import handle
from chalicelib.doors.web import HttpRequest, HttpResponse
from chalicelib.runtime.operators import mint, public_half
from tests.functions.conftest import SIGNS, House

EDIT, READ = mint(SIGNS, "edit", "ann"), mint(SIGNS, "read", "eve")
ITSELF = {"sec-fetch-site": "same-origin"}


@pytest.fixture
def staged(model: Any) -> House:
    """A stage's functions: somebody else has the sockets."""
    return House(model, stage="dev", ws_endpoint="https://sockets.example", operator_public_keys=(public_half(SIGNS),))


def asked(house: House, method: str = "POST", path: str = "/_/session", **headers: str) -> HttpResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return handle(house.backend, HttpRequest(method, path, {}, named, b""))


def cookie_of(house: House, key: str) -> str:
    return asked(house, authorization=f"Convex {key}").headers["set-cookie"]


def test_a_key_becomes_a_cookie_that_no_script_reads_and_no_other_site_sends(staged: House) -> None:
    answer = asked(staged, authorization=f"Convex {READ}")
    told = json.loads(answer.body)
    assert (answer.status, told["key"], told["role"], told["stage"]) == (200, READ, "read", "dev")
    assert answer.headers["cache-control"] == "no-store"
    value, *rules = answer.headers["set-cookie"].split("; ")
    assert value == f"concave_operator={READ}"
    assert {"HttpOnly", "SameSite=Strict", "Secure", "Path=/_/", "Max-Age=43200"} == set(rules)


def test_the_dashboard_gets_its_key_for_the_cookie(staged: House) -> None:
    value = cookie_of(staged, EDIT).partition(";")[0]
    for jar in (value, f"theme=dark; {value}", f"{value}; other=1", f"x_concave_operator=no; {value}"):
        told = json.loads(asked(staged, cookie=jar, **ITSELF).body)
        assert (told["key"], told["role"]) == (EDIT, "edit")


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", ""])
def test_a_page_of_somebody_else_gets_no_key(staged: House, site: str) -> None:
    value = cookie_of(staged, EDIT).partition(";")[0]
    answer = asked(staged, cookie=value, **({"sec-fetch-site": site} if site else {}))
    assert answer.status == 403
    assert EDIT not in answer.body


@pytest.mark.parametrize(
    "cookie", ["", "concave_operator=", "concave_operator=x", f"concave_operator={READ[:-1]}x", "é=" * 5_000]
)
def test_without_its_cookie_nobody_gets_a_key(staged: House, cookie: str) -> None:
    assert asked(staged, cookie=cookie, **ITSELF).status == 401


def test_a_browser_stays_no_longer_than_its_key_counts(staged: House) -> None:
    now = staged.clock.now_ms() // 1000
    for ends, stays in ((600, range(500, 601)), (30 * 86_400, range(43_200, 43_201))):
        told = re.search(r"Max-Age=(\d+);", cookie_of(staged, mint(SIGNS, "read", "eve", now + ends)))
        assert told is not None
        assert int(told[1]) in stays


def test_a_browser_forgets_its_key(staged: House) -> None:
    answer = asked(staged, "DELETE")
    assert (answer.status, "concave_operator=; Path=/_/; Max-Age=0" in answer.headers["set-cookie"]) == (204, True)


def test_a_revoked_name_is_out_of_its_browser(staged: House) -> None:
    value = cookie_of(staged, READ).partition(";")[0]
    staged.operator().action("_system/keys:revoke", name="eve")
    assert asked(staged, cookie=value, **ITSELF).status == 401


@pytest.mark.parametrize(("path", "word"), [("/_/link", "concave dashboard --stage"), ("/_/admin", "concave admin")])
def test_what_a_stage_does_not_do_here_names_the_word_that_does_it(staged: House, path: str, word: str) -> None:
    answer = asked(staged, path=path, authorization=f"Convex {EDIT}")
    assert (answer.status, word in answer.body) == (400, True)
    assert asked(staged, path=path).status == 401


@pytest.mark.parametrize("settings", [{"ws_endpoint": None}, {"operator_public_keys": ()}])
def test_where_there_is_no_dashboard_of_a_stage_there_is_nothing(model: Any, settings: dict[str, Any]) -> None:
    """A server of one machine answers below `/_/` itself, and where it does not, its functions do not either."""
    made = {"stage": "dev", "ws_endpoint": "https://sockets.example", "operator_public_keys": (public_half(SIGNS),), **settings}
    house = House(model, **made)
    for path in ("/_/session", "/_/link", "/_/admin"):
        assert asked(house, path=path, authorization=f"Convex {EDIT}").status == 404
