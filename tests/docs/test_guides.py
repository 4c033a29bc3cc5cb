"""The guides as a site: every page is there, every link leads somewhere, nothing comes from elsewhere, every heading is found."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path

import pytest

from infra.guides.__main__ import build
from infra.guides.pages import Guide, Rendering
from infra.local.aws.shapes import Request
from infra.local.guides import Guides
from tests.docs.pages import ROOT, anchors


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the site was written."""
    made = tmp_path_factory.mktemp("guides") / "site"
    build(ROOT, made)
    return made


def rendered(text: str) -> Guide:
    """A page of a site with another page."""
    return Rendering("docs/one.md", {"docs/one.md": "one.html", "docs/two.md": "two.html"}, {}).guide(text)


def test_every_page_of_the_documentation_is_on_the_site(folder: Path) -> None:
    expected = {path.stem for path in (ROOT / "docs").glob("*.md")} - {"README"}
    assert expected <= {path.stem for path in folder.glob("*.html")}


def test_every_link_of_the_site_leads_to_a_page_a_file_and_a_heading(folder: Path) -> None:
    pages = {path.name: path.read_text() for path in folder.glob("*.html")}
    ids = {name: set(re.findall(r'id="([^"]+)"', text)) for name, text in pages.items()}
    wrong = []
    for name, text in pages.items():
        for link in re.findall(r'(?:href|src|srcset)="([^"]+)"', text):
            if re.match(r"https?:|mailto:", link) or link == "api":
                continue
            path, _, anchor = link.partition("#")
            there = not path or (folder / path).is_file()
            if not there or (anchor and anchor not in ids[path or name]):
                wrong.append((name, link))
    assert wrong == []


def test_a_link_to_no_page_is_refused_when_the_site_is_built() -> None:
    with pytest.raises(ValueError, match=r"docs/one\.md links to three\.md"):
        rendered("# One\n\n[three](three.md)\n")


def test_nothing_of_the_site_comes_from_elsewhere_or_stands_in_a_page(folder: Path) -> None:
    for path in folder.glob("*.html"):
        text = path.read_text()
        assert not re.findall(r'<(?:script|img|link|source)[^>]*(?:src|href|srcset)="(?:https?:)?//', text), path.name
        assert not re.findall(r"<script>|<style|\sstyle=|\son\w+=", text), path.name  # the policy forbids them


def test_a_page_has_one_title_headings_in_order_and_each_name_once(folder: Path) -> None:
    for path in folder.glob("*.html"):
        text = path.read_text()
        levels = [int(level) for level in re.findall(r"<h([1-6])", text)]
        assert levels.count(1) == 1, path.name
        assert all(below <= above + 1 for above, below in pairwise(levels)), path.name
        for kind in ("id", "aria-label"):
            named = re.findall(rf' {kind}="([^"]+)"', text)
            assert len(named) == len(set(named)), path.name
        assert "<th></th>" not in text, path.name


def test_headings_have_the_names_that_links_on_github_use(folder: Path) -> None:
    for source in (ROOT / "docs").glob("*.md"):
        if source.name != "README.md":
            page = (folder / f"{source.stem}.html").read_text()
            assert anchors(source.read_text()) <= set(re.findall(r'id="([^"]+)"', page)), source.name


def test_every_heading_can_be_found(folder: Path) -> None:
    found = json.loads((folder / "search.json").read_text())
    addresses = {address for address, *_ in found}
    for source in (ROOT / "docs").glob("*.md"):
        if source.name != "README.md":
            headings = re.findall(r"^## (.+)$", re.sub(r"```.*?```", "", source.read_text(), flags=re.DOTALL), re.MULTILINE)
            at = [address for address in addresses if address.startswith(f"{source.stem}.html#")]
            assert len(at) >= len(headings), source.name


def test_code_is_escaped_and_tables_scroll_within_themselves() -> None:
    page = rendered("# One\n\n```sh\necho '<b>' # said\n```\n\n| a |\n|---|\n| b |\n\n[two](two.md#x)\n").body
    assert "<b>" not in page
    assert "&lt;b&gt;" in page
    assert '<div class="scroll" tabindex="0" role="region" aria-label="Table 1"><table>' in page
    assert 'href="two.html#x"' in page


def test_the_server_has_the_guides_below_docs_and_leaves_the_rest_to_the_app(folder: Path, tmp_path: Path) -> None:
    def status(guides: Guides, path: str, method: str = "GET") -> int | None:
        answer = guides.answer(Request(method, path, ()))
        return None if answer is None else answer.status

    guides = Guides(folder)
    assert [status(guides, path) for path in ("/docs", "/docs/", "/docs/limits.html", "/docs/nothing.html")] == [
        308,
        200,
        200,
        404,
    ]
    assert status(guides, "/docs/../../etc/passwd") == 404
    assert [status(guides, path) for path in ("/", "/docs/api", "/docs/api/", "/documents", "/api/query")] == [None] * 5
    assert [status(Guides(tmp_path / "none"), path) for path in ("/docs", "/docs/")] == [None, None]
    answer = guides.answer(Request("GET", "/docs/", ()))
    assert answer is not None
    assert "default-src 'none'" in dict(answer.headers)["Content-Security-Policy"]
