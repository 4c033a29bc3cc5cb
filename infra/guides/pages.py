"""A Markdown page as HTML: headings that can be linked to, links between pages, code in colours, and what is searched.

Markdown is CommonMark with GitHub's tables, rendered by markdown-it-py; Pygments colours code.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

LANGUAGES = {"sh": "bash", "text": "text"}
"""What pages call a language → what Pygments does."""


@dataclass(frozen=True)
class Section:
    """A heading and the text below it, for the search. `anchor` is empty above the first heading below the title."""

    anchor: str
    heading: str
    text: str


@dataclass(frozen=True)
class Guide:
    """A page that was rendered."""

    title: str
    body: str
    sections: tuple[Section, ...]
    anchors: frozenset[str]


@dataclass
class Rendering:
    """One page while it is rendered.

    Args:
        source: its path in the project, as `docs/search.md`.
        names: every page of the site: path in the project → file of the site.
        files: the pictures that the site has: path in the project → file of the site.
    """

    source: str
    names: Mapping[str, str]
    files: Mapping[str, str]
    _slugs: dict[str, int] = field(default_factory=dict)

    def guide(self, text: str) -> Guide:
        """The page."""
        markdown = MarkdownIt("commonmark", {"html": True, "highlight": coloured}).enable(["table", "strikethrough"])
        tokens = markdown.parse(text)
        sections, title = self._walked(tokens)
        body = str(markdown.renderer.render(tokens, markdown.options, {}))
        body = re.sub(r'(src|srcset)="([^"]+)"', lambda found: f'{found[1]}="{self._target(found[2])}"', body)
        number = count(1)
        region = '<div class="scroll" tabindex="0" role="region" aria-label="Table'
        body = re.sub("<table>", lambda _: f'{region} {next(number)}"><table>', body)
        body = body.replace("</table>", "</table></div>").replace("<pre>", '<pre tabindex="0">')
        body = body.replace("<th></th>", "<td></td>")  # a header without words heads nothing
        return Guide(title, body, tuple(sections), frozenset(self._slugs))

    def _walked(self, tokens: list[Token]) -> tuple[list[Section], str]:
        """Give headings their names, and links their targets; returns what is searched, and the title."""
        sections: list[Section] = []
        title, anchor, heading, said = "", "", "", list[str]()
        for at, token in enumerate(tokens):
            if token.type == "heading_open":
                words = _plain(tokens[at + 1])
                slug = self._slug(words)
                token.attrSet("id", slug)
                if said or heading:
                    sections.append(Section(anchor, heading, " ".join(said)))
                anchor, heading, said = ("" if not title else slug), words, []
                title = title or words
            elif token.type == "inline":
                for child in token.children or ():
                    if child.type == "link_open":
                        child.attrSet("href", self._target(str(child.attrGet("href"))))
                if tokens[at - 1].type != "heading_open":
                    said.append(_plain(token))
            elif token.type == "fence":
                said.append(" ".join(token.content.split()))
        sections.append(Section(anchor, heading, " ".join(said)))
        return sections, title

    def _slug(self, words: str) -> str:
        """The name of a heading in a link, as GitHub has it."""
        slug = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
        seen = self._slugs.get(slug)
        self._slugs[slug] = 0 if seen is None else seen + 1
        if seen is None:
            return slug
        self._slugs[f"{slug}-{seen + 1}"] = 0
        return f"{slug}-{seen + 1}"

    def _target(self, link: str) -> str:
        """Where a link of this page leads on the site. Raises `ValueError`: there is no such page."""
        if re.match(r"[a-z]+:|#", link):
            return link
        path, mark, anchor = link.partition("#")
        found = _resolved(PurePosixPath(self.source).parent / path)
        name = self.names.get(found) or self.files.get(found)
        if name is None:
            raise ValueError(f"{self.source} links to {link}, which is no page of the site")
        return f"{name}{mark}{anchor}"


def _resolved(path: PurePosixPath) -> str:
    """The path without `..`."""
    parts: list[str] = []
    for part in path.parts:
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def _plain(token: Token) -> str:
    return "".join(child.content if child.type in ("text", "code_inline") else " " for child in token.children or ()).strip()


def coloured(text: str, language: str, _attributes: Any = "") -> str:
    """Code with its words in spans; as it is in a language that nobody knows."""
    try:
        lexer = get_lexer_by_name(LANGUAGES.get(language, language))
    except ClassNotFound:
        return html.escape(text)
    return str(highlight(text, lexer, HtmlFormatter(nowrap=True)))


def sources(root: Path) -> dict[str, str]:
    """The pages of the site, in the order in which they are read: path in the project → file of the site."""
    index = (root / "docs" / "README.md").read_text(encoding="utf-8")
    listed = [f"docs/{name}" for name in re.findall(r"\]\(([\w-]+\.md)(?:#[\w-]*)?\)", index)]
    rest = sorted(f"docs/{path.name}" for path in (root / "docs").glob("*.md") if path.name != "README.md")
    ordered = list(dict.fromkeys([*listed, *rest]))
    pages = {"README.md": "start.html", **{each: f"{Path(each).stem}.html" for each in ordered}}
    more = {
        "web/README.md": "page.html",
        "sdk/js/concave-transport/README.md": "large-messages.html",
        "sdk/worker/README.md": "worker-program.html",
        "CONTRIBUTING.md": "contributing.html",
        "ARCHITECTURE.md": "architecture.html",
    }
    return {"docs/README.md": "index.html", **pages, **more, "CHANGELOG.md": "changelog.html"}
