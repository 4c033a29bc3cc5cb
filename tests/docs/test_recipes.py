"""The settings that the page of identity providers tells fit tokens of the shape that those providers issue."""

from __future__ import annotations

import re
from typing import Any

import pytest

from chalicelib.runtime.identity import AuthFailed, Provider, Verifier
from chalicelib.settings import Settings
from tests.docs.pages import ROOT
from tests.runtime.test_identity import Clock, Web, data_url, public, token

PAGE = (ROOT / "docs" / "signing-in.md").read_text()
ROWS = {row[0]: row[1:] for row in re.findall(r"^\| (\w+) \| `(https[^`]+)` \| `([^`]+)` \| `([^`]+)` \|$", PAGE, re.MULTILINE)}
SHAPES: dict[str, dict[str, Any]] = {
    "Clerk": {"aud": None, "org": None, "v": 2, "sid": "sess_1", "o": {"id": "acme", "rol": "admin", "slg": "acme-inc"}},
    "Auth0": {"aud": ["https://api.your-site.com", "https://your-tenant.eu.auth0.com/userinfo"], "org": None, "org_id": "acme"},
    "Cognito": {"aud": "1example23456789", "org": None, "token_use": "id", "custom:org": "acme"},
    "Keycloak": {"aud": ["my-app", "account"], "org": "acme", "azp": "page"},
}
"""What the providers' own pages say of their tokens; a claim of None is not there."""


def judge(issuer: str, audience: str, claim: str) -> Verifier:
    """What a server with these settings verifies tokens by."""
    keys = data_url(public("RS256"))
    env = {"AUTH_ISSUER": issuer, "AUTH_AUDIENCE": audience, "AUTH_ORG_CLAIM": claim, "AUTH_JWKS": keys}
    settings = Settings.from_env(env)
    return Verifier([Provider(*each) for each in settings.auth], Web().fetch, Clock(), org_claim=settings.org_claim)


def test_the_page_tells_of_each_of_them() -> None:
    assert ROWS.keys() == SHAPES.keys()


@pytest.mark.parametrize("provider", SHAPES)
def test_a_token_of_the_provider_is_accepted_and_names_its_organisation(provider: str) -> None:
    issuer, audience, claim = ROWS[provider]
    user = judge(issuer, audience, claim).verify(token("RS256", iss=issuer, **SHAPES[provider]))
    assert (user.subject, user.org) == ("alice", "acme")


@pytest.mark.parametrize("provider", ["Auth0", "Cognito", "Keycloak"])
def test_a_token_for_another_audience_is_refused(provider: str) -> None:
    issuer, audience, claim = ROWS[provider]
    with pytest.raises(AuthFailed, match="aud"):
        judge(issuer, audience, claim).verify(token("RS256", iss=issuer, **{**SHAPES[provider], "aud": "account"}))
