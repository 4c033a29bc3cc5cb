"""How well searches rank: questions, and the fables that answer each, with the measures that are usual for it.

The fables are forty-five of Aesop's in the translation of George Fyler Townsend (1867), which is in the public domain. The
questions and what answers them are written for this project: some use words of the fable, the others say what it means.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

FABLES: dict[str, str] = dict(
    each.strip().split("\n", 1) for each in Path(__file__).with_suffix(".txt").read_text().split("\n\n")
)
"""Titles and texts; the titles are not searched."""

IN_ITS_WORDS: list[tuple[str, set[str]]] = [
    ("the lion that was awakened by a mouse", {"The Lion and the Mouse"}),
    ("grasshoppers and the dew", {"The Ass and the Grasshopper"}),
    ("why did you not treasure up food during the summer", {"The Ants and the Grasshopper"}),
    ("scorpion and locusts", {"The Boy Hunting Locusts"}),
    ("who found a precious stone", {"The Cock and the Jewel"}),
    ("the mountain and its groans", {"The Mountain in Labour"}),
    ("put your shoulders to the wheels", {"Hercules and the Wagoner"}),
    ("a bone stuck in the throat", {"The Wolf and the Crane"}),
    ("the race of hare and tortoise", {"The Hare and the Tortoise"}),
    ("a snake frozen with cold", {"The Farmer and the Snake"}),
    ("flies in the honey", {"The Flies and the Honey-Pot"}),
    ("statue of a lion strangled by a man", {"The Man and the Lion"}),
    ("cranes in the fields of a farmer", {"The Farmer and the Cranes", "The Farmer and the Stork"}),
    ("oxen and their hay", {"The Dog in the Manger"}),
    ("a bear whispered in his ear", {"The Bear and the Two Travelers"}),
    ("the axle-trees creaked", {"The Oxen and the Axle-Tree"}),
    ("a goblet painted on a signboard", {"The Thirsty Pigeon"}),
    ("lump of gold in a hole", {"The Miser"}),
    ("a lion who pretended to be sick", {"The Sick Lion"}),
    ("the groom sold the oats of the horse", {"The Horse and Groom"}),
    ("leaped at Rhodes", {"The Boasting Traveler"}),
    ("a hand in a pitcher of filberts", {"The Boy and the Filberts"}),
    ("a wolf in the skin of a sheep", {"The Wolf in Sheep's Clothing"}),
    ("boys who pelt frogs with stones", {"The Boys and the Frogs"}),
    ("feathers in the spring and in winter", {"The Swallow and the Crow"}),
    ("fox and ass hunt in the forest", {"The Ass, the Fox, and the Lion"}),
    ("an eagle teaches to fly", {"The Tortoise and the Eagle"}),
    ("broken horn of a goat", {"The Goat and the Goatherd"}),
    ("marry the daughter of a woodcutter", {"The Lion in Love"}),
    ("butchers and beef", {"The Oxen and the Butchers"}),
]
BY_ITS_MEANING: list[tuple[str, set[str]]] = [
    ("a small friend helps a big one in trouble", {"The Lion and the Mouse"}),
    ("save something for bad times instead of making music", {"The Ants and the Grasshopper"}),
    ("losing what you have because you want more", {"The Dog and the Shadow", "The Boy and the Filberts"}),
    ("slow but constant effort beats talent", {"The Hare and the Tortoise"}),
    ("being kind to somebody evil", {"The Farmer and the Snake", "The Wolf and the Crane"}),
    ("poisonous animal", {"The Boy Hunting Locusts", "The Farmer and the Snake", "The Laborer and the Snake"}),
    ("jewels are worth nothing to the hungry", {"The Cock and the Jewel"}),
    ("a great noise for a tiny result", {"The Mountain in Labour"}),
    ("god helps those who help themselves", {"Hercules and the Wagoner"}),
    ("money that is never spent", {"The Miser"}),
    ("a burglar finds buried treasure", {"The Miser"}),
    ("judged by the company that one keeps", {"The Farmer and the Stork"}),
    ("a comrade who runs away when it gets dangerous", {"The Bear and the Two Travelers"}),
    ("empty threats are soon ignored", {"The Farmer and the Cranes"}),
    ("grudging others what one cannot use", {"The Dog in the Manger"}),
    ("an evil deed can be seen though nobody tells", {"The Goat and the Goatherd"}),
    ("quality instead of quantity of children", {"The Lioness"}),
    ("show us instead of talking", {"The Boasting Traveler"}),
    ("a predator finds a pretext to kill its prey", {"The Cat and the Cock"}),
    ("blinded by affection he gave up his weapons", {"The Lion in Love"}),
    ("no friendship is possible after such an injury", {"The Laborer and the Snake"}),
    ("disguised enemy", {"The Wolf in Sheep's Clothing"}),
    ("fun for the one is torture for the other", {"The Boys and the Frogs"}),
    ("visitors who eat up the patient's meals", {"The Sick Stag"}),
    ("better a known evil than an unknown one", {"The Oxen and the Butchers"}),
    ("betraying a partner to save yourself", {"The Ass, the Fox, and the Lion"}),
    ("a picture mistaken for something to drink", {"The Thirsty Pigeon"}),
    ("a bird that wanted to be white", {"The Raven and the Swan"}),
    ("clever animal reads the footprints and stays outside", {"The Sick Lion"}),
    ("history is written by the victors", {"The Man and the Lion"}),
    ("promises made to heaven in fear", {"The Herdsman and the Lost Bull"}),
    ("handicapped child that imagines things", {"The Mole and His Mother"}),
    ("falling from the sky", {"The Tortoise and the Eagle"}),
    ("who makes the dirt should not live with who cleans", {"The Charcoal-Burner and the Fuller"}),
]
QUESTIONS = [*IN_ITS_WORDS, *BY_ITS_MEANING]


@dataclass(frozen=True)
class Quality:
    """Means over questions, each from 0 to 1.

    Args:
        recall_1, recall_5: the share of what is relevant that stands first, among the first five.
        reciprocal_rank: one divided by the place of the first that is relevant, among ten (MRR).
        gain: normalised discounted cumulative gain of the first ten (nDCG; Järvelin and Kekäläinen, 2002), by relevant or not.
    """

    recall_1: float
    recall_5: float
    reciprocal_rank: float
    gain: float

    def told(self) -> str:
        """As the documentation shows it: a row's cells."""
        return " | ".join(f"{each:.2f}" for each in (self.recall_1, self.recall_5, self.reciprocal_rank, self.gain))


def measured(find: Callable[[str], Sequence[str]], questions: Sequence[tuple[str, set[str]]] = QUESTIONS) -> Quality:
    """How well something ranks.

    Args:
        find: from a question to titles of fables, best first.
    """
    found = [(find(question)[:10], relevant) for question, relevant in questions]
    count = len(found)
    return Quality(
        sum(_share(titles, relevant, 1) for titles, relevant in found) / count,
        sum(_share(titles, relevant, 5) for titles, relevant in found) / count,
        sum(_reciprocal(titles, relevant) for titles, relevant in found) / count,
        sum(_gain(titles, relevant) for titles, relevant in found) / count,
    )


def _share(titles: Sequence[str], relevant: set[str], first: int) -> float:
    """How much of what is relevant, or of as much of it as has room there, is among the first."""
    return sum(title in relevant for title in titles[:first]) / min(len(relevant), first)


def _reciprocal(titles: Sequence[str], relevant: set[str]) -> float:
    return next((1 / place for place, title in enumerate(titles, 1) if title in relevant), 0.0)


def _gain(titles: Sequence[str], relevant: set[str]) -> float:
    gained = sum(1 / math.log2(1 + place) for place, title in enumerate(titles, 1) if title in relevant)
    return gained / sum(1 / math.log2(1 + place) for place in range(1, len(relevant) + 1))
