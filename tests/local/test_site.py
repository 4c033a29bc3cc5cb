"""The page at `/`: files of the build and nothing else, kept by browsers as long as is right."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.local.desk import Answer
from infra.local.shapes import Request
from infra.local.site import Site


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


def test_without_a_build_the_page_says_what_to_install(tmp_path: Path) -> None:
    page = ask(Site(tmp_path / "dist"), "/")
    assert page is not None
    assert b"Node 20.19 or newer" in page.body
    assert b"/dev/token" in page.body
