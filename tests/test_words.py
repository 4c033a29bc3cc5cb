"""Folding and cutting of words: what a person types is found, whatever the script."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.words import fold, occurrences, place_of, query_words, words

TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40)


def is_found(query: str, text: str) -> bool:
    return all(occurrences(fold(text), word) for word in query_words(query))


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("cafe", "Ein Café"),
        ("café", "CAFE"),
        ("cafe", "Cafe\u0301 au lait"),
        ("検索", "日本語の検索"),
        ("索", "日本語の検索"),
        ("日本 検索", "日本語の検索"),
        ("engine", "検索engineの話"),
        ("strasse", "Straße"),
        ("office", "the oﬃce"),
        ("abc", "ＡＢＣ"),
        ("ガ", "ｶﾞ ガ"),
        ("елка", "Ёлка"),
        ("αθηνα", "Αθήνα"),
        ("हिन्दी", "मैं हिन्दी बोलता हूँ"),
        ("istanbul", "İstanbul"),
        ("한국", "한국어"),
    ],
)
def test_it_is_found(query: str, text: str) -> None:
    assert is_found(query, text)


@pytest.mark.parametrize(("query", "text"), [("word", "password"), ("索検", "日本語の検索"), ("हन्द", "हिन्दी"), ("cafes", "café")])
def test_it_is_not_found(query: str, text: str) -> None:
    assert not is_found(query, text)


@given(TEXT)
def test_every_text_finds_itself_and_its_composed_and_decomposed_forms(text: str) -> None:
    assert is_found(text, text)
    assert fold(unicodedata.normalize("NFD", text)) == fold(unicodedata.normalize("NFC", text))


@given(TEXT)
def test_words_stand_where_they_say(text: str) -> None:
    folded = fold(text)
    for word in words(text):
        assert folded[word.start : word.end] == word.text


@given(TEXT, st.integers(0, 80))
def test_a_place_is_within_the_text(text: str, position: int) -> None:
    text = unicodedata.normalize("NFC", text)
    folded = fold(text)
    at = place_of(text, min(position, len(folded)))
    assert 0 <= at <= len(text)
    assert len(fold(text[:at])) <= min(position, len(folded)) or at == 0
