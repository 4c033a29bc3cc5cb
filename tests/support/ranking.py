"""The fables as memories of a real backend, and how well its searches rank them: by words, by meaning, by both in one list."""

from __future__ import annotations

from chalicelib.runtime.contexts import Embedder
from tests.embedders.fables import BY_ITS_MEANING, FABLES, IN_ITS_WORDS, QUESTIONS, Quality, measured
from tests.functions.conftest import House

KINDS = {"in its words": IN_ITS_WORDS, "by its meaning": BY_ITS_MEANING, "all": QUESTIONS}
MODES = ("words", "meaning", "both")


def ranked(house: House, embedder: Embedder, modes: tuple[str, ...] = MODES) -> dict[tuple[str, str], Quality]:
    """Store the fables and ask every question by `memories:search`, in each of its modes.

    Args:
        embedder: the fables are kept in a space of its name.
        modes: what is asked by.

    Returns:
        The measures by mode (of `MODES`) and kind of question.
    """
    org = house.person("backend", roles=("service",))
    for title, vector in zip(FABLES, embedder.embed(list(FABLES.values())), strict=True):
        org.mutation(
            "memories:store",
            space=embedder.name,
            content=FABLES[title],
            source={"type": "system"},
            metadata={"title": title},
            embedding=vector,
            generateEmbedding=False,
        )
    vectors = dict(zip((each for each, _ in QUESTIONS), embedder.embed([each for each, _ in QUESTIONS]), strict=True))

    def find(mode: str, question: str) -> list[str]:
        asked = {} if mode == "meaning" else {"query": question}
        asked |= {} if mode == "words" else {"embedding": vectors[question]}
        return [each["metadata"]["title"] for each in org.query("memories:search", space=embedder.name, limit=10, **asked)]

    found: dict[tuple[str, str], Quality] = {}
    for mode in modes:
        titles = {question: find(mode, question) for question, _ in QUESTIONS}
        found |= {(mode, kind): measured(titles.__getitem__, questions) for kind, questions in KINDS.items()}
    return found
