"""The two zip files of a deployment, finished: what is missing goes in, what only deploying needs goes out.

* **Bytecode.** A Lambda cannot write beside its code, so without `.pyc` files every cold start compiles every module again;
  with the model's SDK that is seconds. "Unchecked" ones are not even compared with their source.
* **No tools.** Chalice is needed to deploy, and brings pip, setuptools and a terminal library along.
* **The right machine.** A library built for another processor, Python or C library is found here, not at the first call.

Files are in a fixed order with a fixed date: the same input gives the same bytes, so nothing is deployed that is the same.
"""

from __future__ import annotations

import compileall
import hashlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from py_compile import PycInvalidationMode

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

SITE = Path("python", "lib", f"python{sys.version_info[0]}.{sys.version_info[1]}", "site-packages")
"""Where a layer has its libraries."""
DEPLOYS_ONLY = frozenset({"chalice"})
"""Requirements of which the functions need nothing: Chalice puts its runtime into the code itself."""
GLIBC = {(3, 11): (2, 26), (3, 12): (2, 34), (3, 13): (2, 34), (3, 14): (2, 34)}
"""The C library of each Python runtime: Amazon Linux 2 up to 3.11, Amazon Linux 2023 since."""
_ELF_MACHINE = {"x86_64": 62, "arm64": 183}
_LARGEST = 250 * 2**20
"""Lambda's limit for code and layers together, unzipped."""
_NOT_CODE = shutil.ignore_patterns("__pycache__", "node_modules", "tests", ".*")


class BadBundle(Exception):
    """A bundle cannot run where it is going."""


def finish_code(bundle: Path, root: Path, apps: Iterable[str]) -> None:
    """Put the packages of the apps, the public words and bytecode into the code's bundle.

    Args:
        bundle: the zip file, replaced.
        root: where the apps' packages are.
        apps: names as in CONCAVE_APPS; of `shop.orders` the whole of `shop` goes in.
    """
    with _unpacked(bundle) as folder:
        for name in sorted({app.partition(".")[0] for app in apps}):
            _add_package(root, name, folder)
        _add_words(folder)
        for left in list(folder.rglob("__pycache__")):  # of whichever Python has run here; it is no use to another
            shutil.rmtree(left)
        _compile(folder, "/var/task")


def _add_package(root: Path, name: str, folder: Path) -> None:
    if (folder / name).exists() or (folder / f"{name}.py").exists():
        return
    if (root / name).is_dir():
        shutil.copytree(root / name, folder / name, ignore=_NOT_CODE)
    elif (root / f"{name}.py").is_file():
        shutil.copy(root / f"{name}.py", folder)
    else:
        raise BadBundle(f"CONCAVE_APPS names {name}, and there is neither a folder nor a file of that name beside app.py")


def _add_words(folder: Path) -> None:
    """The public words under the name that a project imports (`from concave import …`); nothing else of that package."""
    found = importlib.util.find_spec("concave")
    assert found is not None
    assert found.origin is not None
    (folder / "concave").mkdir(exist_ok=True)
    shutil.copy(found.origin, folder / "concave" / "__init__.py")


def finish_layer(bundle: Path, requirements: Path, architecture: str, cache: Path) -> None:
    """Take the tools out of the layer, check its libraries, put bytecode in.

    Args:
        bundle: the zip file, replaced.
        requirements: what was installed into it.
        architecture: `x86_64` or `arm64`.
        cache: the folder of finished layers, by their input.

    Raises:
        BadBundle: a library was built for another machine, or the layer is too large.
    """
    done = cache / f"{_fingerprint(bundle, requirements, Path(__file__), extra=f'{architecture} {sys.version}')}.zip"
    if not done.exists():
        with _unpacked(bundle) as folder:
            site = folder / SITE
            for name in tools(site, requirements.read_text().splitlines()):
                _uninstall(site, name)
            wrong = [*foreign(site, architecture), *too_new(site, sys.version_info[:2])]
            if wrong:
                raise BadBundle(f"built for another machine than python{_version()} on {architecture}: {', '.join(wrong)}")
            _compile(site, f"/opt/{SITE}")
            size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
            if size > _LARGEST:
                raise BadBundle(
                    f"the layer has {size / 2**20:.0f} MB unzipped; Lambda takes {_LARGEST / 2**20:.0f} with the code"
                )
        cache.mkdir(parents=True, exist_ok=True)
        part = done.with_suffix(f".{os.getpid()}")
        shutil.copy(bundle, part)
        part.replace(done)
    shutil.copy(done, bundle)


def _fingerprint(*files: Path, extra: str) -> str:
    sum_ = hashlib.sha256(extra.encode())
    for file in files:
        sum_.update(file.read_bytes())
    return sum_.hexdigest()[:24]


# What is in a layer ---------------------------------------------------------------------------------------------------------


def tools(site: Path, requirements: Iterable[str]) -> list[str]:
    """The distributions in a folder that only the tools among the requirements ask for."""
    installed = {canonicalize_name(each.metadata["Name"]): each for each in importlib.metadata.distributions(path=[str(site)])}
    wanted: set[str] = set()
    roots = [Requirement(line) for line in (line.partition("#")[0].strip() for line in requirements) if line]
    todo = [root for root in roots if canonicalize_name(root.name) not in DEPLOYS_ONLY]
    seen: set[tuple[str, frozenset[str]]] = set()
    while todo:
        one = todo.pop()
        name, extras = canonicalize_name(one.name), frozenset(one.extras)
        if name not in installed or (name, extras) in seen:
            continue
        seen.add((name, extras))
        wanted.add(name)
        todo += _needs(installed[name], extras)
    return sorted(set(installed) - wanted)


def _needs(distribution: importlib.metadata.Distribution, extras: frozenset[str]) -> Iterator[Requirement]:
    for line in distribution.requires or ():
        needed = Requirement(line)
        if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield needed


def _uninstall(site: Path, name: str) -> None:
    """Remove a distribution's files, as its RECORD lists them."""
    for each in importlib.metadata.distributions(path=[str(site)]):
        if canonicalize_name(each.metadata["Name"]) == name:
            for file in each.files or ():
                Path(str(each.locate_file(file))).unlink(missing_ok=True)
    for folder in sorted((path for path in site.rglob("*") if path.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()


def foreign(site: Path, architecture: str) -> list[str]:
    """Native libraries for another processor, system or Python."""
    tag = f"cpython-{sys.version_info[0]}{sys.version_info[1]}-"
    found = [str(file.relative_to(site)) for kind in ("*.dylib", "*.pyd", "*.dll") for file in site.rglob(kind)]
    for file in sorted(site.rglob("*.so*")):
        head = file.read_bytes()[:20]
        named = re.search(r"\.(cpython-\d+-)", file.name)
        right = head[:4] == b"\x7fELF" and int.from_bytes(head[18:20], "little") == _ELF_MACHINE[architecture]
        if not right or (named and named[1] != tag):
            found.append(str(file.relative_to(site)))
    return found


def too_new(site: Path, python: tuple[int, ...]) -> list[str]:
    """Wheels whose every tag asks for a newer C library than the runtime has."""
    limit = GLIBC.get((python[0], python[1]))
    if limit is None:
        raise BadBundle(f"python{python[0]}.{python[1]} is no runtime of Lambda that this project knows: {sorted(GLIBC)}")
    found = []
    for wheel in sorted(site.glob("*.dist-info/WHEEL")):
        tags = re.findall(r"^Tag: .*-(\S+)$", wheel.read_text(), re.MULTILINE)
        if tags and not any(_runs(tag, limit) for tag in tags):
            found.append(wheel.parent.name)
    return found


def _runs(platform: str, limit: tuple[int, int]) -> bool:
    if platform == "any" or platform.startswith(("manylinux1_", "manylinux2010_", "manylinux2014_")):
        return True
    named = re.match(r"manylinux_(\d+)_(\d+)_", platform)
    return named is not None and (int(named[1]), int(named[2])) <= limit


# Zip files ------------------------------------------------------------------------------------------------------------------


class _unpacked:
    """A zip file as a folder; packed again when the block ends well."""

    def __init__(self, bundle: Path) -> None:
        self._bundle, self._folder = bundle, tempfile.TemporaryDirectory()

    def __enter__(self) -> Path:
        with zipfile.ZipFile(self._bundle) as archive:
            archive.extractall(self._folder.name)
        return Path(self._folder.name)

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            pack(Path(self._folder.name), self._bundle)
        self._folder.cleanup()


def pack(folder: Path, bundle: Path) -> None:
    """Write a folder's files into a zip file, in the same order and with the same date every time."""
    with zipfile.ZipFile(bundle, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(str(file.relative_to(folder)))
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, file.read_bytes())


def _compile(folder: Path, runs_at: str) -> None:
    """Bytecode for every module, with the paths that tracebacks will show."""
    compileall.compile_dir(
        str(folder),
        quiet=2,  # a library may carry a file for another Python; importing it would fail with or without this
        stripdir=str(folder),
        prependdir=runs_at,
        invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
        workers=0,
    )


def _version() -> str:
    return f"{sys.version_info[0]}.{sys.version_info[1]}"
