"""A real local server for the Python SDK, and tokens of its development issuer."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from chalicelib.settings import Settings
from infra.local.issuer import DevIssuer
from tests.walk.server import Served

Mint = Callable[..., str]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    server = Served(tmp_path_factory.mktemp("sdk") / "data", CONCAVE_APPS="chalicelib.functions")
    yield server
    server.stop()


@pytest.fixture
def token(served: Served, request: pytest.FixtureRequest) -> Mint:
    """A token of somebody in this test's own org."""
    issuer, org = DevIssuer(Settings(data_dir=served.folder)), f"org-{abs(hash(request.node.name))}"

    def mint(subject: str = "backend", *roles: str) -> str:
        return issuer.token(subject, org, roles=list(roles or (("service",) if subject == "backend" else ())))

    return mint
