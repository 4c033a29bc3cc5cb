"""A key that signs agents' tokens and is read where something is signed: elsewhere its public half is enough."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from chalicelib.data.errors import Refused
from chalicelib.runtime.identity import AuthFailed, Verifier, fetch
from chalicelib.runtime.minting import BadKey, Minter, provider_of, public_half
from infra.local.issuer import signing_key


class Now:
    """The machine's time."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def now_ns(self) -> int:
        return time.time_ns()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def test_the_public_half_verifies_what_the_private_one_signs_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    mine, others = signing_key(tmp_path), signing_key(tmp_path / "other")
    verifier = Verifier([provider_of(public_half(mine))], fetch, Now())
    told = verifier.verify(Minter(lambda: mine, Now()).token("agent-1", "acme", 60, {"tv": 1}))
    assert (told.subject, told.org) == ("agent:agent-1", "acme")
    with pytest.raises(AuthFailed):
        verifier.verify(Minter(lambda: others, Now()).token("agent-1", "acme", 60, {"tv": 1}))


def test_the_key_is_read_when_something_is_signed_and_a_new_value_is_used(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    kept: list[str | None] = [None]
    read: list[int] = []

    def value() -> str | None:
        read.append(1)
        return kept[0]

    minter = Minter(value, Now())
    assert read == []
    with pytest.raises(Refused, match="cannot be read"):
        minter.secret("agent-1", "acme", 1)
    for folder in (tmp_path, tmp_path / "other"):
        kept[0] = signing_key(folder)
        assert minter.redeem(minter.secret("agent-1", "acme", 1)) == ("agent-1", "acme", 1)


def test_a_key_in_the_settings_is_checked_at_once_and_one_by_reference_when_it_is_read() -> None:
    with pytest.raises(BadKey):
        Minter("-----BEGIN PRIVATE KEY-----", Now())
    later = Minter(lambda: "nonsense", Now())
    with pytest.raises(BadKey):
        later.secret("agent-1", "acme", 1)
