"""The page at `/`: files of the build and nothing else, kept by browsers as long as is right."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import subprocess
import urllib.request
from html import unescape
from pathlib import Path

import pytest

from chalicelib.settings import Settings
from infra.local.aws.shapes import Request
from infra.local.routes import Answer
from infra.local.site import Site
from infra.local.stack import Stack
from tests.local.conftest import Local


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "secret.txt").write_text("not for you")
    built = tmp_path / "dist"
    (built / "assets").mkdir(parents=True)
    (built / "index.html").write_text("<!doctype html><title>Page</title>")
    (built / "assets" / "index-abc.js").write_text("1")
    (built / "favicon.svg").write_text("<svg/>")
    return Site(built)


def ask(site: Site, path: str, method: str = "GET", **headers: str) -> Answer | None:
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return site.answer(Request(method, path, named, b"", "127.0.0.1"))


def told(answer: Answer | None) -> dict[str, str]:
    assert answer is not None
    return dict(answer.headers)


def test_the_page_is_asked_for_each_time_and_its_hashed_files_never_again(site: Site) -> None:
    page = ask(site, "/")
    assert page is not None
    assert (page.status, page.body[:9]) == (200, b"<!doctype")
    assert told(page)["Cache-Control"] == "no-cache"
    assert "immutable" in told(ask(site, "/assets/index-abc.js"))["Cache-Control"]
    assert told(ask(site, "/assets/index-abc.js"))["Content-Type"].startswith("text/javascript")
    assert told(ask(site, "/favicon.svg"))["Content-Type"] == "image/svg+xml"


def test_a_file_that_is_the_same_is_not_sent_again(site: Site) -> None:
    again = ask(site, "/", if_none_match=told(ask(site, "/"))["ETag"])
    assert again is not None
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize(
    "path", ["/../secret.txt", "/assets/../../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/a%00b", "/" + "x" * 5000]
)
def test_nothing_outside_the_folder_is_served(site: Site, path: str) -> None:
    assert ask(site, path) is None


@pytest.mark.parametrize(("path", "method"), [("/version", "GET"), ("/api/query", "POST"), ("/", "POST"), ("/assets", "GET")])
def test_what_is_no_file_is_left_to_the_app(site: Site, path: str, method: str) -> None:
    assert ask(site, path, method) is None


@pytest.mark.parametrize(
    ("path", "accept", "page"),
    [
        ("/rooms/7", "text/html,*/*", True),
        ("/rooms/7", "*/*", False),
        ("/assets/gone.js", "text/html", False),
        ("/api/nothing", "text/html", False),
        ("/dev/nothing", "text/html", False),
    ],
)
def test_an_address_that_nobody_knows_is_the_pages_own_when_a_browser_opens_it(
    site: Site, path: str, accept: str, page: bool
) -> None:
    found = site.page_for(Request("GET", path, (("Accept", accept),)))
    assert (found is not None and found.body.startswith(b"<!doctype")) == page


def test_without_a_build_unknown_addresses_are_left_to_the_app(tmp_path: Path) -> None:
    assert Site(tmp_path / "dist").page_for(Request("GET", "/rooms/7", (("Accept", "text/html"),))) is None


def test_without_a_build_the_page_says_what_to_install(tmp_path: Path) -> None:
    page = ask(Site(tmp_path / "dist"), "/")
    assert page is not None
    assert b"Node 20.19 or newer" in page.body
    assert b"/dev/token" in page.body


def test_a_page_over_http_is_sent_once_and_stands_where_the_app_knows_nothing(site: Site, tmp_path: Path) -> None:
    local = Local(tmp_path / "dist")
    local.app.app = lambda event, context: {"statusCode": 404, "body": "nothing"}  # type: ignore[method-assign]
    line = http.client.HTTPConnection("127.0.0.1", local.port, timeout=5)

    def asked(path: str, **headers: str) -> tuple[int, bytes, http.client.HTTPMessage]:
        line.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = line.getresponse()
        return answer.status, answer.read(), answer.headers

    try:
        status, page, headers = asked("/")
        assert (status, page) == (200, b"<!doctype html><title>Page</title>")
        status, nothing, again = asked("/", If_None_Match=headers["ETag"])
        assert (status, nothing, again["Content-Length"]) == (304, b"", None)
        assert asked("/rooms/7", Accept="text/html")[:2] == (200, page)  # on the same connection: the 304 ended where it should
        assert asked("/rooms/7", Accept="application/json")[:2] == (404, b"nothing")
        assert asked("/", Host="page.example")[0] == 403
    finally:
        line.close()
        local.stop()


@pytest.mark.skipif(shutil.which("curl") is None or shutil.which("bash") is None, reason="needs curl and bash")
def test_the_commands_on_that_page_send_a_message_and_show_its_reply(tmp_path: Path) -> None:
    stack = Stack(Settings(data_dir=tmp_path, port=0), site=tmp_path / "dist")
    stack.start()
    try:
        with urllib.request.urlopen(stack.url, timeout=10) as answer:
            page = answer.read().decode()
        commands = unescape(re.sub(r"<[^>]*>", "", page.partition("<pre>")[2].partition("</pre>")[0]))
        assert "http://127.0.0.1:3210" in commands
        mine = commands.replace("http://127.0.0.1:3210", stack.url)
        done = subprocess.run(["bash", "-euc", mine], capture_output=True, text=True, timeout=60, check=False)
    finally:
        stack.stop()
    assert done.returncode == 0, done.stderr
    *_, (asked, reply) = [json.loads(line)["value"] for line in done.stderr.splitlines()]
    assert (asked["role"], asked["content"]) == ("user", "Hello")
    assert (reply["role"], reply["status"]) == ("assistant", "completed")
    assert reply["content"]
