"""Halves of characters in a model's text are joined, wherever it was cut; what stays half is U+FFFD."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.llm.chunks import Chunk, Joiner
from chalicelib.llm.surrogates import Halves, mended

ROUGH = st.text(alphabet=st.one_of(st.sampled_from("\ud83d\ude00\udc00 a"), st.characters(exclude_categories=[])), max_size=30)


@given(ROUGH, st.lists(st.integers(0, 30), max_size=6))
def test_wherever_a_text_is_cut_it_is_mended_as_a_whole(text: str, cuts: list[int]) -> None:
    halves, told, at = Halves(), "", 0
    for end in [*sorted(cuts), len(text)]:
        told += halves.take(text[at:end])
        at = max(at, min(end, len(text)))
    assert told + halves.rest() == mended(text)


@given(ROUGH)
def test_what_comes_out_can_be_sent_and_good_text_is_as_it_was(text: str) -> None:
    assert mended(text).encode().decode() == mended(text)
    good = "".join(each for each in text if not "\ud800" <= each <= "\udfff")
    assert mended(good) == good


@given(st.lists(st.tuples(st.sampled_from(["text", "thinking"]), ROUGH), max_size=8), st.integers(1, 5))
def test_joined_chunks_hold_whole_characters_only(said: list[tuple[str, str]], most: int) -> None:
    joiner = Joiner(lambda: 0.0, max_chars=most)
    out = [each for kind, text in said for each in joiner.add(Chunk(kind, text))] + joiner.end()  # type: ignore[arg-type]
    for each in out:
        assert each.text.encode()
        assert 0 < len(each.text) <= most


def test_an_emoji_in_two_deltas_is_one_emoji() -> None:
    joiner = Joiner(lambda: 0.0)
    out = [*joiner.add(Chunk("text", "so \ud83d")), *joiner.add(Chunk("text", "\ude00!")), *joiner.end()]
    assert "".join(each.text for each in out) == "so 😀!"
