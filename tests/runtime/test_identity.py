"""Tokens become users, and everything that is not quite a token is refused with its tag."""

import base64
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hmac import digest as hmac_digest
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chalicelib.environment import BadSetting
from chalicelib.runtime.identity import AuthFailed, Provider, User, Verifier, fetch, service
from chalicelib.settings import Settings
from infra.local.issuer import DevIssuer

NOW_S = 1_800_000_000
ISSUER = "https://issuer.test"
KEYS: dict[str, Any] = {
    "RS256": rsa.generate_private_key(65537, 2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}


@dataclass
class Clock:
    ms: int = NOW_S * 1000

    def now_ms(self) -> int:
        return self.ms


@dataclass
class Web:
    """The documents of a small internet, and who asked for what."""

    documents: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def fetch(self, address: str) -> bytes:
        self.asked.append(address)
        if address not in self.documents:
            raise ConnectionRefusedError(address)
        return json.dumps(self.documents[address]).encode()


def public(algorithm: str, kid: str | None = None, **extra: Any) -> dict[str, Any]:
    to_jwk: Callable[[Any], Any] = jwt.get_algorithm_by_name(algorithm).to_jwk
    return {**json.loads(to_jwk(KEYS[algorithm].public_key())), "kid": kid or algorithm, **extra}


def data_url(*keys: dict[str, Any]) -> str:
    return "data:application/json;base64," + base64.b64encode(json.dumps({"keys": keys}).encode()).decode()


def token(algorithm: str = "ES256", *, kid: str | None = None, headers: dict[str, Any] | None = None, **claims: Any) -> str:
    usual = {"iss": ISSUER, "aud": "app", "sub": "alice", "org": "acme", "iat": NOW_S, "exp": NOW_S + 60}
    given = {name: value for name, value in {**usual, **claims}.items() if value is not None}
    return jwt.encode(given, KEYS[algorithm], algorithm=algorithm, headers={"kid": kid or algorithm, **(headers or {})})


def verifier(*, clock: Clock | None = None, **options: Any) -> Verifier:
    keys = data_url(public("RS256"), public("ES256"), public("EdDSA"))
    return Verifier([Provider(ISSUER, keys, "app")], Web().fetch, clock or Clock(), **options)


def refusal(judge: Verifier, given: str) -> str:
    with pytest.raises(AuthFailed) as caught:
        judge.verify(given)
    assert given not in caught.value.message
    assert caught.value.message.endswith(".")
    return caught.value.tag


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_the_three_pinned_algorithms_are_accepted(algorithm: str) -> None:
    user = verifier().verify(token(algorithm))
    assert (user.subject, user.issuer, user.org, user.token_identifier) == ("alice", ISSUER, "acme", f"{ISSUER}|alice")
    assert user.expires_at == (NOW_S + 60) * 1000
    assert not user.is_service


def test_a_token_without_iat_is_accepted() -> None:
    """RFC 7519, section 4.1.6: it is optional."""
    assert verifier().verify(token(iat=None)).subject == "alice"


def test_tokens_without_an_org_belong_to_the_deployments_one_where_there_is_one() -> None:
    one = verifier(org_default="acme")
    assert one.verify(token(org=None)).org == "acme"
    assert one.verify(token(org="other")).org == "other"
    assert refusal(one, token(org="a#b")) == "MissingOrg"
    with pytest.raises(AuthFailed, match="AUTH_ORG_DEFAULT"):
        verifier().verify(token(org=None))


@pytest.mark.parametrize("subject", ["auth0|123", "user_2abc", "a@b.example"])
def test_everybody_may_be_an_org_of_their_own(subject: str) -> None:
    user = verifier(org_claim="sub").verify(token(sub=subject, org=None))
    assert (user.org, user.subject) == (subject, subject)


def test_claims_have_convex_names_and_the_ones_that_change_at_a_refresh_are_gone() -> None:
    given = token(given_name="Al", picture="p", email_verified=True, jti="x", nbf=NOW_S, fva=[1], plan={"tier": {"name": "pro"}})
    assert verifier().verify(given).claims == {
        "org": "acme",
        "givenName": "Al",
        "pictureUrl": "p",
        "emailVerified": True,
        "plan": {"tier": {"name": "pro"}},
        "plan.tier": {"name": "pro"},
        "plan.tier.name": "pro",
    }


def test_a_refreshed_token_gives_the_same_claims() -> None:
    first, second = token(jti="1"), token(jti="2", iat=NOW_S - 1, exp=NOW_S + 99)
    assert verifier().verify(first).claims == verifier().verify(second).claims


def test_a_user_survives_being_stored_as_json() -> None:
    user = verifier().verify(token(roles=["admin", 7], plan={"a": [1]}))
    assert user.roles == ("admin",)
    assert User.from_json(json.loads(json.dumps(user.to_json()))) == user
    assert User.from_json(service("acme").to_json()) == service("acme")


def test_no_claim_makes_a_user_the_service() -> None:
    user = verifier().verify(token(roles=["service"], role="service", isService=True, is_service=True))
    assert service("acme").is_service
    assert not user.is_service
    assert not User.from_json(user.to_json()).is_service


@pytest.mark.parametrize(
    ("claims", "tag"),
    [
        ({"exp": NOW_S - 6}, "ExpiredToken"),
        ({"exp": None}, "InvalidToken"),
        ({"exp": "soon"}, "InvalidToken"),
        ({"exp": True}, "InvalidToken"),
        ({"exp": 1e300}, "InvalidToken"),
        ({"iat": "now"}, "InvalidToken"),
        ({"iat": NOW_S + 6}, "InvalidToken"),
        ({"nbf": NOW_S + 6}, "InvalidToken"),
        ({"iss": "https://evil.test"}, "UnknownIssuer"),
        ({"iss": None}, "InvalidToken"),
        ({"aud": "other"}, "InvalidToken"),
        ({"aud": None}, "InvalidToken"),
        ({"sub": None}, "InvalidToken"),
        ({"sub": ""}, "InvalidToken"),
        ({"sub": "a\x00b"}, "InvalidToken"),
        ({"sub": "é" * 257}, "InvalidToken"),
        ({"org": None}, "MissingOrg"),
        ({"org": 7}, "MissingOrg"),
        ({"org": "acme#other"}, "MissingOrg"),
        ({"org": "a" * 129}, "MissingOrg"),
    ],
)
def test_a_wrong_claim_is_refused_with_its_tag(claims: dict[str, Any], tag: str) -> None:
    assert refusal(verifier(), token(**claims)) == tag


def test_five_seconds_of_leeway_and_not_one_more() -> None:
    user = verifier().verify(token(exp=NOW_S - 5, iat=NOW_S + 5, nbf=NOW_S + 5))
    assert not user.expired(NOW_S * 1000)
    assert user.expired(NOW_S * 1000 + 1)
    assert not service("acme").expired(NOW_S * 1000 * 2)


def test_an_audience_list_is_searched() -> None:
    assert verifier().verify(token(aud=["x", "app"])).subject == "alice"


def test_the_first_provider_with_this_issuer_and_audience_judges() -> None:
    providers = [
        Provider(ISSUER, data_url(), "one"),
        Provider(ISSUER + "/", data_url(public("ES256")), "two"),
        Provider("x", None),
    ]
    judge = Verifier(providers, Web().fetch, Clock())
    assert judge.verify(token(aud="two")).subject == "alice"
    assert refusal(judge, token(aud="one")) == "InvalidToken"


def test_the_org_may_come_from_a_configured_or_nested_claim_or_org_id() -> None:
    assert verifier(org_claim="tenant").verify(token(tenant="t1", org=None)).org == "t1"
    assert verifier(org_claim="o.id").verify(token(o={"id": "t2"}, org=None)).org == "t2"
    assert verifier().verify(token(org_id="t3", org=None)).org == "t3"


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "é.é.é", "." * 20_000, "W10.W10.W10"])
def test_what_is_not_a_token_is_refused(text: str) -> None:
    with pytest.raises(AuthFailed):
        verifier().verify(text)


def _segment(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def test_the_algorithms_none_and_hmac_with_a_public_key_are_refused() -> None:
    _, payload, _ = token().split(".")
    pem = KEYS["RS256"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    unsigned = _segment(b'{"alg":"none","kid":"RS256"}') + f".{payload}."
    signed = _segment(b'{"alg":"HS256","kid":"RS256"}') + f".{payload}"
    hmac = signed + "." + _segment(hmac_digest(pem, signed.encode(), "sha256"))
    assert refusal(verifier(), unsigned) == "InvalidToken"
    assert refusal(verifier(), hmac) == "InvalidToken"


def test_an_algorithm_that_does_not_fit_the_key_is_refused() -> None:
    assert refusal(verifier(), token("ES256", kid="RS256")) == "InvalidToken"


def test_a_changed_payload_is_refused() -> None:
    head, _, signature = token().split(".")
    payload = token(sub="mallory").split(".")[1]
    assert refusal(verifier(), f"{head}.{payload}.{signature}") == "InvalidToken"


def test_keys_named_by_the_token_itself_are_never_looked_at() -> None:
    web = Web({"https://evil.test/keys": {"keys": [public("ES256")]}})
    judge = Verifier([Provider(ISSUER, data_url(), "app")], web.fetch, Clock())
    named = {"jku": "https://evil.test/keys", "x5u": "https://evil.test/keys", "jwk": public("ES256")}
    assert refusal(judge, token(headers=named)) == "InvalidToken"
    assert web.asked == []


def test_a_token_without_kid_or_with_extensions_is_refused() -> None:
    bare = jwt.encode({"iss": ISSUER}, KEYS["ES256"], algorithm="ES256")
    assert refusal(verifier(), bare) == "InvalidToken"
    assert refusal(verifier(), token(headers={"crit": ["b64"], "b64": True})) == "InvalidToken"


def test_weak_foreign_and_broken_keys_of_a_set_are_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    weak_key = rsa.generate_private_key(65537, 1024)
    weak = {**json.loads(jwt.get_algorithm_by_name("RS256").to_jwk(weak_key.public_key())), "kid": "weak"}
    encryption, symmetric = public("ES256", "enc", use="enc"), {"kty": "oct", "k": "AAAA", "kid": "oct"}
    broken = {"kty": "EC", "crv": "P-256", "x": "A", "y": "A", "kid": "broken"}
    keys = data_url(weak, encryption, symmetric, broken, public("ES256"))
    judge = Verifier([Provider(ISSUER, keys, "app")], Web().fetch, Clock())
    assert judge.verify(token()).subject == "alice"
    assert refusal(judge, token(kid="enc")) == "InvalidToken"
    assert "'weak'" in caplog.text
    assert "'broken'" in caplog.text


def test_discovery_finds_the_keys_and_checks_the_issuer() -> None:
    web = Web({f"{ISSUER}/.well-known/openid-configuration": {"issuer": ISSUER, "jwks_uri": "https://keys.test"}})
    web.documents["https://keys.test"] = {"keys": [public("ES256")]}
    assert Verifier([Provider(ISSUER)], web.fetch, Clock()).verify(token()).subject == "alice"
    web.documents[f"{ISSUER}/.well-known/openid-configuration"]["issuer"] = "https://other.test"
    assert refusal(Verifier([Provider(ISSUER)], web.fetch, Clock()), token()) == "IssuerUnavailable"


def test_keys_are_fetched_once_an_hour_and_an_unknown_kid_asks_again_at_most_every_30_seconds() -> None:
    clock, web = Clock(), Web({"https://keys.test": {"keys": [public("ES256")]}})
    judge = Verifier([Provider(ISSUER, "https://keys.test", "app")], web.fetch, clock)
    for _ in range(3):
        judge.verify(token())
        assert refusal(judge, token(kid="invented")) == "InvalidToken"
    assert len(web.asked) == 1
    web.documents["https://keys.test"]["keys"].append(public("RS256", "rotated"))
    clock.ms += 30_000
    assert judge.verify(token("RS256", kid="rotated")).subject == "alice"
    assert len(web.asked) == 2
    clock.ms += 3_600_001
    judge.verify(token(exp=NOW_S + 9999))
    assert len(web.asked) == 3


def test_an_issuer_that_is_away_does_not_lock_out_the_holders_of_known_keys() -> None:
    clock, web = Clock(), Web({"https://keys.test": {"keys": [public("ES256")]}})
    judge = Verifier([Provider(ISSUER, "https://keys.test", "app")], web.fetch, clock)
    judge.verify(token())
    web.documents.clear()
    clock.ms += 2 * 3_600_000
    lasting = token(exp=NOW_S + 9_999_999)
    assert judge.verify(lasting).subject == "alice"
    clock.ms += 24 * 3_600_000
    assert refusal(judge, lasting) == "IssuerUnavailable"


def test_an_issuer_that_never_answered_is_asked_again_after_five_seconds() -> None:
    clock, web = Clock(), Web()
    judge = Verifier([Provider(ISSUER, "https://keys.test", "app")], web.fetch, clock)
    assert [refusal(judge, token()) for _ in range(3)] == ["IssuerUnavailable"] * 3
    assert len(web.asked) == 1
    web.documents["https://keys.test"] = {"keys": [public("ES256")]}
    clock.ms += 5_000
    assert judge.verify(token()).subject == "alice"


@pytest.mark.parametrize(
    "address", ["http://keys.test", "file:///etc/passwd", "ftp://keys.test", "data:nothing", "data:;base64,*"]
)
def test_keys_come_over_https_or_not_at_all(address: str) -> None:
    web = Web({address: {"keys": [public("ES256")]}})
    judge = Verifier([Provider(ISSUER, address, "app")], web.fetch, Clock(), development=True)
    assert refusal(judge, token()) == "IssuerUnavailable"
    assert web.asked == []


def test_plain_http_is_allowed_on_loopback_in_development_only() -> None:
    web = Web({"http://127.0.0.1:9/keys": {"keys": [public("ES256")]}})
    provider = Provider(ISSUER, "http://127.0.0.1:9/keys", "app")
    assert refusal(Verifier([provider], web.fetch, Clock()), token()) == "IssuerUnavailable"
    assert Verifier([provider], web.fetch, Clock(), development=True).verify(token()).subject == "alice"


class _Site(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(302 if self.path == "/moved" else 200)
        self.send_header("Location", "/keys")
        self.end_headers()
        self.wfile.write(b"x" * (1_000_001 if self.path == "/long" else 3))

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@contextmanager
def _site() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Site)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_fetch_reads_a_document_and_refuses_redirects_and_long_ones() -> None:
    with _site() as site:
        assert fetch(site + "/keys") == b"xxx"
        for path in ("/moved", "/long"):
            with pytest.raises(OSError):
                fetch(site + path)


def test_the_development_issuer_mints_tokens_that_survive_its_restart(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    first, second = (DevIssuer(settings, now=lambda: NOW_S) for _ in range(2))
    user = Verifier([second.provider()], Web().fetch, Clock()).verify(first.token("alice", "acme", name="Alice"))
    assert (user.subject, user.org, user.claims["name"]) == ("alice", "acme", "Alice")
    assert first.jwks() == second.jwks()
    assert "d" not in first.jwks()["keys"][0]
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["issuer.pem"]
    assert (tmp_path / "data" / "issuer.pem").stat().st_mode & 0o077 == 0


def test_the_development_issuer_refuses_to_start_in_the_cloud(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="STAGE"):
        DevIssuer(Settings(data_dir=tmp_path, stage="prod"))
    assert list(tmp_path.iterdir()) == []
