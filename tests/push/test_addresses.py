"""Which addresses of others may be named: one rule for servers of tools and for push services."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import hosts

GOOD = "https://push.example.com/send/abc"


@pytest.mark.parametrize(
    ("url", "host"),
    [
        (GOOD, "push.example.com"),
        ("https://PUSH.example.com./x", "push.example.com"),
        ("https://a-b.example.com/%20?q=1", "a-b.example.com"),
        ("https://xn--mnchen-3ya.example/", "xn--mnchen-3ya.example"),
    ],
)
def test_a_public_host_is_named(url: str, host: str) -> None:
    assert hosts.public_host(url) == host


@pytest.mark.parametrize(
    "url",
    [
        "https://push.example.com/a b",
        "https://push.exa mple.com/",
        "https://push.example.com/a\nHost: evil.example",
        "https://push.exam\tple.com/",
        " https://push.example.com/",
        "https://push.example.com/\x00",
        "https://push.example.com/\x7f",
        "https://push..example.com/",
        "https://.example.com/",
        "https://push.example.com../",
        "https://-push.example.com/",
        "https://push-.example.com/",
        "https://pu_sh.example.com/",
        "https://push%2eexample.com/",
        "https://push.example.com\\.evil.example/",
        f"https://{'a' * 64}.example.com/",
        f"https://{'a.' * 130}example.com/",
        "https://m\u00fcnchen.example/",
    ],
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(hosts.BadAddress):
        hosts.public_host(url)


@given(st.integers(0, len(GOOD)), st.characters(exclude_categories=[]).filter(lambda each: not "!" <= each <= "~"))
def test_no_address_holds_what_cannot_be_seen(at: int, strange: str) -> None:
    url = GOOD[:at] + strange + GOOD[at:]
    with pytest.raises(hosts.BadAddress):
        hosts.public_host(url)
    assert hosts.origin_of(url) == ""
