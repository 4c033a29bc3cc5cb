"""`make package STAGE=dev`: what is deployed, in `build/<stage>/`.

`chalice package` gives the SAM template of the app, its code and a layer with its libraries. Here the template gets the
rest (`infra/template`), and the two bundles get what Chalice leaves out: the packages of CONCAVE_APPS, bytecode, and
nothing that is only needed to deploy (`infra/bundle.py`).

Lambda runs the Python that runs this: wheels, bytecode and `Runtime` cannot disagree.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chalicelib.data.errors import WrongDeclaration
from chalicelib.environment import BadSetting
from chalicelib.settings import Settings
from infra.bundle import BadBundle, finish_code, finish_layer
from infra.template.merge import MatchesNothing
from infra.template.releases import stamped
from infra.template.whole import write

ROOT = Path(os.environ.get("DEPLOY_FROM") or Path(__file__).resolve().parent.parent)
"""Where app.py is, and the apps' packages beside it; `concave deploy` puts both into a folder of the project."""
BUILD = ROOT / "build"
PAGE = Path(os.environ["SITE"]) if os.environ.get("DEPLOY_FROM") and os.environ.get("SITE") else ROOT / "web" / "dist"
"""What `npm run build` writes."""
TEMPLATE, CODE, LAYER = "template.json", "deployment.zip", "layer-deployment.zip"

LONGEST_STAGE = 24
"""CloudFront's functions have names of at most 64 characters, with the region in them."""


class NotPackaged(Exception):
    """It cannot be packaged; the message says what to do."""


def package(stage: str, apps: tuple[str, ...], out: Path, cache: Path = BUILD / "layers") -> Path:
    """Write the template and both bundles of a stage.

    Args:
        stage: lower-case letters, digits and hyphens.
        apps: packages of tables and functions.
        out: the folder for them; made when missing.
        cache: finished layers of earlier runs.

    Returns:
        The template's path.

    Raises:
        NotPackaged: Chalice, a bundle or the template could not be made.
    """
    if len(stage) > LONGEST_STAGE:
        raise NotPackaged(f"the stage {stage} has more than {LONGEST_STAGE} characters; names in AWS would become too long")
    packaged = chalice_package(stage, out)
    try:
        finish_code(out / CODE, ROOT, apps)
        finish_layer(out / LAYER, ROOT / "requirements.txt", architecture_of(packaged), cache)
        index = PAGE / "index.html"
        template = write(packaged, stage, apps, specs_of(apps), index.read_text() if index.exists() else "")
    except (BadBundle, MatchesNothing, ValueError) as error:
        raise NotPackaged(str(error)) from error
    template = stamped(template, *((out / bundle).read_bytes() for bundle in (CODE, LAYER)))
    path = out / TEMPLATE
    path.write_text(json.dumps(template, indent=1) + "\n")
    return path


def chalice_package(stage: str, out: Path) -> dict[str, Any]:
    """Run `chalice package` and read the template that it wrote."""
    out.mkdir(parents=True, exist_ok=True)
    # Not its script: that may lie elsewhere than the Python that has the library.
    command = [
        sys.executable,
        "-c",
        "import sys; from chalice.cli import main; sys.exit(main())",
        "package",
        "--stage",
        stage,
        str(out),
    ]
    # Chalice wants a region even where it asks AWS nothing; nothing of it is in the result.
    environment = {**os.environ, "AWS_DEFAULT_REGION": os.environ.get("AWS_DEFAULT_REGION", "us-east-1")}
    done = subprocess.run(  # noqa: S603 (our own tool, and a stage of a checked form)
        command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise NotPackaged(f"chalice package failed:\n{done.stdout}{done.stderr}")
    made = out / "sam.json"
    packaged: dict[str, Any] = json.loads(made.read_text())
    made.unlink()
    return packaged


def specs_of(apps: tuple[str, ...]) -> list[Any]:
    """The physical tables of these packages; a table exists once its module is imported, so import what a function does."""
    import chalicelib.wiring  # noqa: F401 - the engine has tables of its own, of jobs and of crons
    from chalicelib.data.tables import all_specs
    from chalicelib.runtime.registry import load

    load(apps)
    return all_specs([app.rpartition(".")[0] or app for app in apps])


def architecture_of(packaged: Mapping[str, Any]) -> str:
    """`x86_64` or `arm64`: what Chalice resolved the wheels for (`lambda_architecture` in `.chalice/config.json`)."""
    found = {
        resource["Properties"]["Architectures"][0]
        for resource in packaged["Resources"].values()
        if resource["Type"] == "AWS::Serverless::Function"
    }
    if len(found) != 1:
        raise NotPackaged(f"one layer cannot serve functions of several architectures: {sorted(found)}")
    return str(found.pop())


def main() -> int:
    """Package the stage named by STAGE (default dev)."""
    try:
        settings = Settings.from_env({"STAGE": "dev", **os.environ})
        assert settings.stage is not None
        path = package(settings.stage, settings.apps, BUILD / settings.stage)
    except (NotPackaged, BadSetting, WrongDeclaration) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sizes = ", ".join(f"{name} {(path.parent / name).stat().st_size / 2**20:.1f} MB" for name in (CODE, LAYER))
    sys.stdout.write(f"{path.relative_to(ROOT)} (python{sys.version_info[0]}.{sys.version_info[1]}; {sizes})\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
