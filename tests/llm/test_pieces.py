"""The joiner: what comes out is what went in, sooner or later, and never too late."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.llm import Joiner, Piece

PIECES = st.lists(st.builds(Piece, st.sampled_from(["text", "thinking"]), st.text(max_size=40)))


def _runs(pieces: list[Piece]) -> list[tuple[str, str]]:
    """The parts of a reply: consecutive pieces of a kind, joined."""
    heard = [piece for piece in pieces if piece.text]
    return [
        (kind, "".join(piece.text for piece in group)) for kind, group in itertools.groupby(heard, key=lambda piece: piece.kind)
    ]


@given(PIECES, st.lists(st.integers(0, 400)), st.integers(1, 50))
def test_whatever_the_times_and_sizes_the_joined_pieces_are_the_same_reply(
    pieces: list[Piece], waits: list[int], max_chars: int
) -> None:
    now = [0]
    joiner = Joiner(lambda: now[0], max_ms=250, max_chars=max_chars)
    out: list[Piece] = []
    for piece, wait in zip(pieces, itertools.cycle(waits or [0]), strict=False):
        out += joiner.add(piece)
        now[0] += wait
        out += joiner.due()
    out += joiner.end()
    assert _runs(out) == _runs(pieces)
    assert all(0 < len(piece.text) <= max_chars for piece in out)
    assert joiner.end() == []


@given(PIECES.filter(lambda pieces: any(piece.text for piece in pieces)))
def test_the_first_piece_comes_out_at_once(pieces: list[Piece]) -> None:
    joiner = Joiner(lambda: 0)
    at = next(at for at, piece in enumerate(pieces) if piece.text)
    outs = [joiner.add(piece) for piece in pieces[: at + 1]]
    assert outs[:-1] == [[]] * at
    assert outs[-1] == [pieces[at]]


def test_after_the_first_piece_time_decides() -> None:
    now = [0.0]
    joiner = Joiner(lambda: now[0], max_ms=250)
    assert joiner.add(Piece("text", "a")) == [Piece("text", "a")]
    now[0] = 249
    assert joiner.add(Piece("text", "b")) == []
    assert joiner.due() == []
    now[0] = 250
    assert joiner.add(Piece("text", "c")) == [Piece("text", "bc")]
    now[0] = 900
    assert joiner.add(Piece("text", "d")) == [Piece("text", "d")]


def test_a_pause_of_the_model_does_not_hold_the_last_words_back() -> None:
    now = [0.0]
    joiner = Joiner(lambda: now[0], max_ms=250)
    joiner.add(Piece("text", "a"))
    joiner.add(Piece("text", "b"))
    now[0] = 250
    assert joiner.due() == [Piece("text", "b")]
    assert joiner.due() == []


def test_size_decides_before_time() -> None:
    joiner = Joiner(lambda: 0, max_chars=4)
    joiner.add(Piece("text", "a"))
    assert joiner.add(Piece("text", "bcd")) == []
    assert joiner.add(Piece("text", "efghij")) == [Piece("text", "bcde"), Piece("text", "fghi")]
    assert joiner.end() == [Piece("text", "j")]


def test_a_change_of_kind_comes_out_at_once_on_both_sides() -> None:
    joiner = Joiner(lambda: 0)
    joiner.add(Piece("thinking", "a"))
    joiner.add(Piece("thinking", "b"))
    assert joiner.add(Piece("text", "c")) == [Piece("thinking", "b"), Piece("text", "c")]
