"""Commands for a stage of a project in AWS: package, deploy, look at it, take it down (docs/operating.md).

Chalice packages a folder with app.py in it, so the backend of the installed package and the packages of the project are put into
`.concave/deploy`, which is made anew each time. What is found there later is what was deployed last.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

import click

from concave.cli.project import CHAT, Project, entered

PARTS = ("app.py", "chalicelib", ".chalice", "requirements.txt")
"""What is deployed of the backend; the libraries of requirements.txt become a layer."""
OWN_REQUIREMENTS = "requirements.txt"
"""Libraries of the project's own, where it has such a file."""
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", "node_modules", ".concave")


def staged(project: Project, backend: Path) -> Path:
    """Put the backend and the project's packages into one folder, as Chalice wants them. Returns it.

    Args:
        backend: where app.py of the installed package is.

    Raises:
        click.ClickException: an app is no package of this project.
    """
    folder = project.folder / ".concave" / "deploy"
    for name in (*PARTS, *{app.partition(".")[0] for app in project.apps if app != CHAT}):
        target = folder / name
        shutil.rmtree(target, ignore_errors=True)
        target.unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    for name in PARTS:
        _copy(backend / name, folder / name)
    for name in sorted({app.partition(".")[0] for app in project.apps if app != CHAT}):
        found = next((each for each in (project.folder / name, project.folder / f"{name}.py") if each.exists()), None)
        if found is None:
            raise click.ClickException(f"[tool.concave] apps names {name}, and there is no such package in {project.folder}.")
        _copy(found, folder / found.name)
    own = project.folder / OWN_REQUIREMENTS
    if own.is_file():
        with (folder / "requirements.txt").open("a", encoding="utf-8") as file:
            file.write(own.read_text(encoding="utf-8"))
    return folder


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=_LEFT_OUT)
    else:
        shutil.copy(source, target)


def _at(stage: str, *, packaged: bool) -> None:
    """Make this process one that works on a stage of the project."""
    project = entered()
    os.environ["STAGE"] = stage
    spec = importlib.util.find_spec("chalicelib")
    assert spec is not None
    assert spec.origin is not None
    backend = Path(spec.origin).resolve().parents[1]
    os.environ.setdefault("SITE", str(backend / "web" / "dist"))  # where the project has no page of its own: the chat's
    os.environ["DEPLOY_FROM"] = str(project.folder / ".concave" / "deploy" if packaged else staged(project, backend))


_STAGE = click.argument("stage")


@click.command(short_help="Write what would be deployed, and deploy nothing.")
@_STAGE
def package(stage: str) -> None:
    """Write the template and the bundles of STAGE into .concave/deploy/build."""
    _at(stage, packaged=False)
    from infra.package import main

    sys.exit(main())


@click.command(short_help="Deploy the project to AWS, as a stage, and look at it.")
@_STAGE
@click.option("--no-smoke", is_flag=True, help="Do not look at what was deployed.")
def deploy(stage: str, no_smoke: bool) -> None:
    """Package the project and deploy it as STAGE; prints its one address. Parameters come from the environment."""
    _at(stage, packaged=False)
    from infra.deploy import main

    sys.exit(main(["--no-smoke"] if no_smoke else []))


@click.command(short_help="Ask a stage for everything it is for.")
@_STAGE
@click.option("--url", help="Another address than the stage's own, such as a proxy's in front of it.")
def smoke(stage: str, url: str | None) -> None:
    """Look at STAGE: page, query, socket, posts, a reply, jobs. SMOKE_TOKEN is a user's token."""
    _at(stage, packaged=True)
    from infra.smoke.__main__ import main

    sys.exit(main(["--url", url] if url else []))


@click.command(short_help="Bring every function of a stage back to the release before.")
@_STAGE
@click.option("--to", metavar="RELEASE", help="Another release that is kept.")
@click.option("--list", "listed", is_flag=True, help="Say which releases are kept, and move nothing.")
def rollback(stage: str, to: str | None, listed: bool) -> None:
    """Bring STAGE back to the release before, in seconds; a deployment that is under way is called off."""
    _at(stage, packaged=True)
    from infra.rollback import main

    sys.exit(main([*(["--to", to] if to else []), *(["--list"] if listed else [])]))


@click.command(short_help="Take a stage down; refuses while it holds data.")
@_STAGE
@click.option("--keep-data", is_flag=True, help="Leave the tables; they go on costing their storage.")
@click.option("--erase-data", metavar="STAGE", help="Erase the tables for good; say the stage's name once more.")
def destroy(stage: str, keep_data: bool, erase_data: str | None) -> None:
    """Take STAGE down. While its tables hold documents it says what to do with them, and nothing happens."""
    _at(stage, packaged=True)
    from infra.destroy import main

    sys.exit(main([*(["--keep-data"] if keep_data else []), *(["--erase-data", erase_data] if erase_data else [])]))


COMMANDS = (package, deploy, rollback, smoke, destroy)
