"""Writes the site of the guides: `python -m infra.guides [FOLDER]`."""

from __future__ import annotations

import html
import json
import shutil
import sys
from pathlib import Path

from infra.guides.pages import Guide, Rendering, sources

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "web" / "dist-guides"
HERE = Path(__file__).parent
SEARCHED = 4_000
"""Characters of a section that are searched."""


def build(root: Path, folder: Path) -> dict[str, Guide]:
    """Write the site into a folder, in place of what is there. Returns its pages by their files."""
    names = sources(root)
    pictures = {
        path.relative_to(root).as_posix(): f"pictures/{path.name}"
        for path in sorted((root / "docs" / "screenshots").glob("*.png"))
    }
    guides = {
        name: Rendering(source, names, pictures).guide((root / source).read_text(encoding="utf-8"))
        for source, name in names.items()
    }
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "pictures").mkdir(parents=True)
    for source, name in pictures.items():
        shutil.copyfile(root / source, folder / name)
    for asset in ("guides.css", "guides.js"):
        shutil.copyfile(HERE / asset, folder / asset)
    for name, guide in guides.items():
        (folder / name).write_text(_whole(name, guide, guides), encoding="utf-8")
    (folder / "search.json").write_text(json.dumps(_searched(guides), ensure_ascii=False), encoding="utf-8")
    return guides


def _whole(name: str, guide: Guide, guides: dict[str, Guide]) -> str:
    links = "".join(
        f'<li><a href="{each}"{" aria-current=page" if each == name else ""}>{html.escape(other.title)}</a></li>'
        for each, other in guides.items()
    )
    text = (HERE / "page.html").read_text(encoding="utf-8")
    for word, value in (("TITLE", html.escape(guide.title)), ("LINKS", links), ("BODY", guide.body)):
        text = text.replace(f"<!-- {word} -->", value, 1)
    return text


def _searched(guides: dict[str, Guide]) -> list[list[str]]:
    """Each section as [address, page, heading, text]."""
    return [
        [
            f"{name}#{section.anchor}" if section.anchor else name,
            guide.title,
            section.heading,
            section.text[:SEARCHED],
        ]
        for name, guide in guides.items()
        for section in guide.sections
        if section.text or section.heading
    ]


def main() -> None:
    """Build it, and say where it is."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    guides = build(ROOT, folder)
    sys.stdout.write(f"the guides: {len(guides)} pages in {folder}\n")


if __name__ == "__main__":
    main()
