"""Words of a text, as they are compared: one folding and one cutting for everything that searches.

**Folding** takes away what a person who searches does not type: case, compatibility forms (`ﬁ`, full width; Unicode NFKC) and the
accents of Latin, Greek and Cyrillic letters. Marks of other scripts are letters there (the vowel signs of Devanagari, the voicing
of Kana) and stay.

**Cutting** gives words where a script puts spaces between them. Chinese and Japanese do not: there every two neighbours are a
word (bigrams), so that `検索` is found in `日本語の検索`.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

UNSPACED = (
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Han, Hiragana and Katakana, as a part of a character class."""
LONGEST_WORD = 64
"""Characters by which an index tells words apart."""
EXCERPT = 160
"""Characters of a highlight."""
_RUN = re.compile(rf"[{UNSPACED}]+|[^\W{UNSPACED}]+")
_IS_UNSPACED = re.compile(rf"[{UNSPACED}]")
_ACCENTS = (("\u0300", "\u036f"), ("\u1ab0", "\u1aff"), ("\u1dc0", "\u1dff"), ("\u20d0", "\u20ff"), ("\ufe20", "\ufe2f"))
"""The blocks of combining marks that are accents."""


class Word(NamedTuple):
    """A word, folded, and where it stands in the folded text."""

    text: str
    start: int
    end: int


class _Folded(dict[int, str]):
    """What becomes of each character, worked out once: `str.translate` then runs in C."""

    def __missing__(self, code: int) -> str:
        parts = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", chr(code)).casefold())
        bare = "".join(each for each in parts if not any(low <= each <= high for low, high in _ACCENTS))
        self[code] = unicodedata.normalize("NFC", bare)
        return self[code]


_FOLDED = _Folded()


def fold(text: str) -> str:
    """Text as it is compared. Folding twice changes nothing."""
    return text.casefold() if text.isascii() else unicodedata.normalize("NFC", text).translate(_FOLDED)


def words(text: str) -> list[Word]:
    """The words of a text: runs of letters and digits; of unspaced scripts every two neighbours, or the only one."""
    found: list[Word] = []
    for run in _RUN.finditer(fold(text)):
        if _IS_UNSPACED.match(run[0]) and len(run[0]) > 2:
            found += [Word(run[0][at : at + 2], run.start() + at, run.start() + at + 2) for at in range(len(run[0]) - 1)]
        else:
            found.append(Word(run[0], *run.span()))
    return found


def indexed_words(text: str) -> list[str]:
    """The words under which an index keeps a text, as often as they occur: `words`, cut to 64 characters, and the last character
    of each unspaced run, so that every single character is the beginning of a word."""
    if text.isascii():
        return [run[:LONGEST_WORD] for run in _RUN.findall(fold(text))]
    found = [each.text[:LONGEST_WORD] for each in words(text)]
    return found + [run[-1] for run in _RUN.findall(fold(text)) if len(run) > 1 and _IS_UNSPACED.match(run)]


def asked_words(query: str) -> list[str]:
    """What a query looks up in such an index, each word once, in the order of the query."""
    return list(dict.fromkeys(each.text[:LONGEST_WORD] for each in words(query)))


def is_one(word: str) -> bool:
    """Whether a word of an unspaced script is one character alone, which an index keeps as the beginning of a pair."""
    return len(word) == 1 and not word.isascii()


def counts(text: str, asked: Sequence[str]) -> dict[str, int]:
    """How often a text has each of `asked_words`, as an index counts them: the last one is the beginning of a word."""
    found = Counter(indexed_words(text))
    beginnings = {*asked[-1:], *filter(is_one, asked)}
    return {
        word: sum(often for term, often in found.items() if term.startswith(word)) if word in beginnings else found[word]
        for word in asked
    }


def marked(text: str, asked: Sequence[str]) -> list[tuple[str, bool]]:
    """A text in pieces, each with whether it is what `asked_words` found. The pieces together are the text in NFC."""
    text = unicodedata.normalize("NFC", text)
    places = [index for index, each in enumerate(text) for _ in fold(each)]
    hit = [False] * len(text)
    for word in words(text):
        for at, one in enumerate(asked):
            if is_one(one):
                begin = word.start + max(0, word.text.find(one))
                here = one in word.text
            else:
                begin = word.start
                here = word.text.startswith(one) if at == len(asked) - 1 else word.text[:LONGEST_WORD] == one
            for place in places[begin : begin + len(one)] if here else ():
                hit[place] = True
    pieces: list[tuple[str, bool]] = []
    for each, found in zip(text, hit, strict=True):
        if pieces and pieces[-1][1] == found:
            pieces[-1] = (pieces[-1][0] + each, found)
        else:
            pieces.append((each, found))
    return pieces


def query_words(query: str) -> list[str]:
    """What is looked for, each once: words of spaced scripts, and whole runs of the others, which stand together."""
    return list(dict.fromkeys(_RUN.findall(fold(query))))


def occurrences(folded: str, word: str) -> list[int]:
    """Where a word of `query_words` begins in a folded text: at the beginning of a word, or anywhere in an unspaced script."""
    pattern = re.escape(word)
    if not _IS_UNSPACED.match(word):
        # `\b` knows no border between scripts: a word also begins behind a character of an unspaced one.
        pattern = rf"(?<![^\W{UNSPACED}]){pattern}"
    return [each.start() for each in re.finditer(pattern, folded)]


def place_of(text: str, position: int) -> int:
    """Where a position of the folded text stands in the text itself."""
    if text.isascii():
        return position
    at = 0
    for index, each in enumerate(text):
        at += len(each.translate(_FOLDED))
        if at > position:
            return index
    return len(text)


def excerpt(text: str, words: list[str]) -> str:
    """Some 160 characters around the first of the words, cut at spaces."""
    text = unicodedata.normalize("NFC", text)
    folded = fold(text)
    at = place_of(text, min((found[0] for word in words if (found := occurrences(folded, word))), default=0))
    start = max(0, at - EXCERPT // 3)
    if start:
        space = text.find(" ", start, at)
        start = start if space < 0 else space + 1
    end = min(len(text), start + EXCERPT)
    if end < len(text):
        space = text.rfind(" ", at + 1, end)
        end = end if space < 0 else space
    return f"{'…' if start else ''}{' '.join(text[start:end].split())}{'…' if end < len(text) else ''}"
