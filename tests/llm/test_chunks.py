"""The joiner: what comes out is what went in, sooner or later, and never too late."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.llm import Chunk, Joiner

CHUNKS = st.lists(st.builds(Chunk, st.sampled_from(["text", "thinking"]), st.text(max_size=40)))


def _runs(chunks: list[Chunk]) -> list[tuple[str, str]]:
    """The parts of a reply: consecutive chunks of a kind, joined."""
    heard = [chunk for chunk in chunks if chunk.text]
    return [
        (kind, "".join(chunk.text for chunk in group)) for kind, group in itertools.groupby(heard, key=lambda chunk: chunk.kind)
    ]


@given(CHUNKS, st.lists(st.integers(0, 400)), st.integers(1, 50))
def test_whatever_the_times_and_sizes_the_joined_chunks_are_the_same_reply(
    chunks: list[Chunk], waits: list[int], max_chars: int
) -> None:
    now = [0]
    joiner = Joiner(lambda: now[0], max_ms=250, max_chars=max_chars)
    out: list[Chunk] = []
    for chunk, wait in zip(chunks, itertools.cycle(waits or [0]), strict=False):
        out += joiner.add(chunk)
        now[0] += wait
        out += joiner.due()
    out += joiner.end()
    assert _runs(out) == _runs(chunks)
    assert all(0 < len(chunk.text) <= max_chars for chunk in out)
    assert joiner.end() == []


@given(CHUNKS.filter(lambda chunks: any(chunk.text for chunk in chunks)))
def test_the_first_chunk_comes_out_at_once(chunks: list[Chunk]) -> None:
    joiner = Joiner(lambda: 0)
    at = next(at for at, chunk in enumerate(chunks) if chunk.text)
    outs = [joiner.add(chunk) for chunk in chunks[: at + 1]]
    assert outs[:-1] == [[]] * at
    assert outs[-1] == [chunks[at]]


def test_after_the_first_chunk_time_decides() -> None:
    now = [0.0]
    joiner = Joiner(lambda: now[0], max_ms=250)
    assert joiner.add(Chunk("text", "a")) == [Chunk("text", "a")]
    now[0] = 249
    assert joiner.add(Chunk("text", "b")) == []
    assert joiner.due() == []
    now[0] = 250
    assert joiner.add(Chunk("text", "c")) == [Chunk("text", "bc")]
    now[0] = 900
    assert joiner.add(Chunk("text", "d")) == [Chunk("text", "d")]


def test_after_two_seconds_the_chunks_come_half_as_often() -> None:
    """A model that says something every 50 ms: how long after each other its chunks come out."""
    now = [0.0]
    joiner = Joiner(lambda: now[0], max_ms=250)
    out: list[float] = []
    for step in range(120):
        now[0] = step * 50.0
        out += [now[0]] * len(joiner.add(Chunk("text", "x")))
    gaps = [later - earlier for earlier, later in itertools.pairwise(out)]
    assert out[0] == 0
    assert set(gaps[:7]) == {250}
    assert set(gaps[9:]) == {500}


def test_a_pause_of_the_model_does_not_hold_the_last_words_back() -> None:
    now = [0.0]
    joiner = Joiner(lambda: now[0], max_ms=250)
    joiner.add(Chunk("text", "a"))
    joiner.add(Chunk("text", "b"))
    now[0] = 250
    assert joiner.due() == [Chunk("text", "b")]
    assert joiner.due() == []


def test_size_decides_before_time() -> None:
    joiner = Joiner(lambda: 0, max_chars=4)
    joiner.add(Chunk("text", "a"))
    assert joiner.add(Chunk("text", "bcd")) == []
    assert joiner.add(Chunk("text", "efghij")) == [Chunk("text", "bcde"), Chunk("text", "fghi")]
    assert joiner.end() == [Chunk("text", "j")]


def test_a_change_of_kind_comes_out_at_once_on_both_sides() -> None:
    joiner = Joiner(lambda: 0)
    joiner.add(Chunk("thinking", "a"))
    joiner.add(Chunk("thinking", "b"))
    assert joiner.add(Chunk("text", "c")) == [Chunk("thinking", "b"), Chunk("text", "c")]


def test_where_many_read_chunks_come_half_as_often() -> None:
    def chunks(crowd: bool) -> int:
        now = [0.0]
        joiner, count = Joiner(lambda: now[0], max_ms=250, crowd=lambda: crowd), 0
        for step in range(400):
            now[0] = step * 25.0
            count += len(joiner.add(Chunk("text", "word ")))
        return count

    assert chunks(False) == 24
    assert chunks(True) == 12
