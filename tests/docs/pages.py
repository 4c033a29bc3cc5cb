"""The pages of the documentation, taken apart: their blocks in order, their links, the paths that they name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
WALKED = ["README.md", "CONTRIBUTING.md", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md"))]
"""Pages whose blocks are run."""
CHECKED = [*WALKED, "ARCHITECTURE.md", "web/README.md"]
"""Pages whose links and paths are looked up."""

RUN, SAVED, TOLD = ("sh",), ("python", "js", "ts", "tsx"), ("text", "json")
FENCE = re.compile(r"^```(.*)\n((?:.*\n)*?)```$", re.MULTILINE)
NAMED = re.compile(r"^(?:#|//) (\S+\.(?:py|mjs|tsx?))\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """What stands between two fences.

    Args:
        line: where it begins on its page.
        answer: what the page says that it prints: the block of `text` or `json` that follows at once; None where it says nothing.
    """

    page: str
    line: int
    language: str
    text: str
    answer: str | None = None

    @property
    def place(self) -> str:
        """Where a reader finds it."""
        return f"{self.page}:{self.line}"

    @property
    def file(self) -> str | None:
        """The file that a snippet is saved as: its first line names it in a comment."""
        found = NAMED.match(self.text)
        return found[1] if found else None

    @property
    def commands(self) -> list[str]:
        """The lines of a block, without comments that fill a line; a line that ends in `\\` goes on."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]


def blocks(page: str, text: str) -> list[Block]:
    """The blocks of a page; answers are joined to what they answer."""
    found: list[Block] = []
    end = 0
    for match in FENCE.finditer(text):
        language, body, line = match[1], match[2], text.count("\n", 0, match.start()) + 1
        follows = not text[end : match.start()].strip() and found and found[-1].language in (*RUN, *SAVED)
        if language in TOLD and follows and found[-1].answer is None:
            found[-1] = Block(page, found[-1].line, found[-1].language, found[-1].text, body)
        else:
            found.append(Block(page, line, language, body))
        end = match.end()
    return found


def links(text: str) -> list[str]:
    """Where a page leads: targets of its links and pictures."""
    prose = FENCE.sub("", text)
    return re.findall(r"\]\(([^)\s]+)\)", prose) + re.findall(r'(?:src|srcset|href)="([^"]+)"', prose)


def anchors(text: str) -> set[str]:
    """What its headings are called in a link, as GitHub names them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def paths(text: str) -> list[str]:
    """Files and folders of the project that a page names in its prose, each as `like/this.py`, `folder/` or `file.py::name`."""
    prose = FENCE.sub("", text)
    spans = re.findall(r"`([^`\n]+)`", prose)
    return [
        each for each in spans if re.fullmatch(r"[\w.@-]+(/[\w.@*-]+)*(/|\.(py|md|mjs|tsx?|toml|json|js|html))(::\w+)?", each)
    ]
