"""`concave new`: a small project that is typed and tested, and works at once."""

from __future__ import annotations

import keyword
import re
import shutil
import sys
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import click

RENAMED = {"package": "{{package}}", "gitignore": ".gitignore", "github": ".github/workflows"}
"""Names that a template cannot have as they will be."""
TAKEN = frozenset({"app", "chalicelib", "concave", "infra", "tests", "page", "test", *sys.stdlib_module_names})
"""Names of packages that would hide another one."""


@click.command(short_help="Write a new project into a folder of its own.")
@click.argument("name")
def new(name: str) -> None:
    """Write a project called NAME into a new folder of that name: tables, functions, a React page, tests."""
    folder = Path(name)
    package = re.sub(r"[^a-z0-9]+", "_", folder.name.lower()).strip("_")
    if not package.isidentifier() or keyword.iskeyword(package) or len(folder.name) > 60:
        raise click.BadParameter("a project's name begins with a letter and has letters, digits and hyphens.", param_hint="NAME")
    if package in TAKEN:
        raise click.BadParameter(f"a package called {package!r} would hide another one; choose another name.", param_hint="NAME")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise click.ClickException(f"{folder} is there already, and not empty.")
    _copy(files("concave") / "template", folder, {"name": folder.name, "package": package})
    _types(folder.resolve())
    click.echo(
        f"{folder} is made. Next:\n\n  cd {folder}\n  {_called()} dev\n\n"
        "For its page, which needs Node, before that: npm install --prefix page"
    )


def _called() -> str:
    """How this command is called from anywhere: `concave` where the shell finds it, else its whole path."""
    here = Path(sys.argv[0]).absolute()
    found = shutil.which("concave")
    return "concave" if found is not None or not here.is_file() else str(here)


def _copy(source: Traversable, to: Path, words: dict[str, str]) -> None:
    to.mkdir(parents=True, exist_ok=True)
    for each in sorted(source.iterdir(), key=lambda found: found.name):
        if each.name == "__pycache__":
            continue
        target = to / _filled(RENAMED.get(each.name, each.name), words)
        if each.is_dir():
            _copy(each, target, words)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(_filled(each.read_text(encoding="utf-8"), words), encoding="utf-8")


def _filled(text: str, words: dict[str, str]) -> str:
    for name, word in words.items():
        text = text.replace("{{" + name + "}}", word)
    return text


def _types(folder: Path) -> None:
    """The types of the new project, so that its page can be built at once. In a process of its own: it imports the app."""
    import subprocess

    command = [sys.executable, "-c", "from concave.cli import main; main()", "codegen"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603 - ourselves
    if done.returncode:
        raise click.ClickException(f"the types were not written: {done.stderr.strip()}")


COMMANDS = (new,)
