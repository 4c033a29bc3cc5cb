"""What the scripted model says: the same words for the same request, in Markdown, about what was asked, as long as asked.

It understands nothing. It looks for what people try first: a greeting, a length ("in 5 words", "40000 characters", "a list
of 10"), code, a table, a sum, what was said before, who it is. Everything else gets a few paragraphs about the message's
own words. Asked who it is, it says that it is scripted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.local.model import prose
from infra.local.model import script as model_script
from infra.local.model.client_tools import is_words
from infra.local.model.wire import blocks_of

MAX_CHARACTERS = 200_000
"""The longest answer to "write N characters"; N beyond it counts as this much."""


@dataclass(frozen=True)
class Talk:
    """A conversation as the model sees it. `said` are the user's messages, the last one without its directives."""

    name: str
    question: str
    said: tuple[str, ...]
    answers: int

    @property
    def opens(self) -> bool:
        """This is the first question."""
        return len(self.said) <= 1


def read(body: Mapping[str, Any], question: str) -> Talk:
    """The conversation in a request's body. Each text block of a user counts as one message: clients merge them."""
    said = [
        model_script.parse(str(block.get("text", ""))).question
        for message in body["messages"]
        if message["role"] == "user"
        for block in blocks_of(message.get("content"))
        if is_words(block)
    ]
    answers = sum(message["role"] == "assistant" for message in body["messages"])
    system = "\n".join(str(block.get("text", "")) for block in blocks_of(body.get("system")))
    return Talk(_name(system), question, tuple(said), answers)


def last_words(body: Mapping[str, Any]) -> str:
    """The user's last words: the only place where directives count. What tools answered after them are no words."""
    for message in reversed(body["messages"]):
        if message["role"] == "user":
            texts = [str(block.get("text", "")) for block in blocks_of(message.get("content")) if is_words(block)]
            if texts or not _is_result(message):
                return texts[-1] if texts else ""
    return ""


def _is_result(message: Mapping[str, Any]) -> bool:
    return any(block.get("type") == "tool_result" for block in blocks_of(message.get("content")))


def answer(talk: Talk) -> str:
    """The reply's text, never empty."""
    asked = " ".join(talk.question.lower().split())
    for rule in RULES:
        said = rule(talk, asked)
        if said:
            return said
    return _about(talk)


def thoughts(talk: Talk) -> str:
    """What a thinking block says."""
    subject = prose.subject(talk.question)
    before = f" {len(talk.said) - 1} earlier messages may matter." if not talk.opens else ""
    return (
        f"The user asks about {subject}. The message has {len(talk.question.split())} words.{before} "
        f"A scripted model cannot reason, so I will pick the template that fits, mention {subject}, "
        "and keep to the length that was asked for."
    )


def _name(system: str) -> str:
    found = re.search(r"\b(?:[Yy]ou are|[Yy]our name is|[Cc]alled)\s+(?:an? |the )?([A-Z][\w'-]*)", system)
    return found[1] if found else ""


def _count(pattern: str, asked: str) -> int | None:
    found = re.search(pattern, asked)
    if not found:
        return None
    word = found[1].replace(",", "").replace("_", "")
    number = prose.NUMBERS.get(word)
    if number is not None:
        return number
    return int(float(word[:-1]) * 1000) if word.endswith("k") else int(word)


_N = r"(\d[\d,_]*|\d+(?:\.\d+)?k|" + "|".join(prose.NUMBERS) + r")[\s-]+"


# Rules, tried in order: (talk, the question in lower case) -> an answer or nothing -------------------------------------------


def _help(talk: Talk, asked: str) -> str | None:
    if not re.fullmatch(r"(/?help|what can (you|i) (do|say)|commands|directives)\W*", asked):
        return None
    return (
        "I am a **scripted model** for development: I answer with templates, at a readable pace, through the real API.\n\n"
        "Try a greeting, `write 2000 characters`, `in 5 words`, `a list of 10`, a table, code, a sum, or ask what you said "
        "before. A line with one of these orders something special:\n\n" + model_script.usage()
    )


def _identity(talk: Talk, asked: str) -> str | None:
    who = r"who are you|what are you|are you (a |an |the )?(real|human|person|bot|robot|ai|claude|model|scripted|language)"
    if not re.search(who + r"|(what|which) (ai |language )?model (are|is)|what'?s your name|what is your name", asked):
        return None
    role = f" In this conversation I stand in for **{talk.name}**." if talk.name else ""
    return (
        "I am a scripted model: a small program that speaks the Messages API for development and tests. "
        f"I am not Claude and I understand nothing; I fill templates with your words.{role} "
        "Set `ANTHROPIC_API_KEY` to talk to a real model."
    )


def _greeting(talk: Talk, asked: str) -> str | None:
    if not re.fullmatch(
        r"(hi|hey|hello|hallo|hola|bonjour|servus|moin|good (morning|afternoon|evening)|yo|ping)( \w+)?\W*", asked
    ):
        return None
    me = f" I'm {talk.name}." if talk.name else ""
    hint = " (I'm a scripted model; say `help` to see what I can do.)" if talk.opens else ""
    return f"Hello!{me} What can I do for you?{hint}"


def _thanks(talk: Talk, asked: str) -> str | None:
    if re.fullmatch(r"(thanks|thank you|thx|danke|merci|great|ok|okay|cool|nice|perfect|bye|goodbye)\b.{0,20}", asked):
        return "You're welcome."
    return None


def _memory(talk: Talk, asked: str) -> str | None:
    earlier = [words for words in talk.said[:-1] if words]
    if re.search(r"what('?s| is) my name|who am i|do you (know|remember) my name", asked):
        for words in reversed(earlier):
            if found := re.search(r"\b(?:my name is|i am called|call me|i'm|i am) ([A-Z][\w'-]*)", words, re.IGNORECASE):
                return f"Your name is {found[1]}."
        return "You have not told me your name."
    if re.search(r"how many messages|how often (have|did) i", asked):
        return (
            f"You have sent {prose.plural(len(talk.said), 'message')}, and I have answered {prose.plural(talk.answers, 'time')}."
        )
    first = re.search(r"(my|the) first (message|question)|what did i (say|ask) first", asked)
    if first or re.search(r"what did i (just )?(say|ask)|my (last|previous) (message|question)|do you remember", asked):
        if not earlier:
            return "This is your first message; there is nothing before it."
        return f"You said: “{prose.clip(earlier[0] if first else earlier[-1], 300)}”"
    if re.search(r"summar(y|ise|ize)|recap|so far", asked) and earlier:
        points = "\n".join(f"{number}. “{prose.clip(words, 120)}”" for number, words in enumerate(earlier, 1))
        return f"So far you have sent {prose.plural(len(earlier), 'message')}:\n\n{points}"
    return None


def _sum(talk: Talk, asked: str) -> str | None:
    found = re.search(
        r"(?<![\w.])(-?\d{1,15}(?:\.\d+)?)\s*([-+*x×/÷]|plus|minus|times|divided by)\s*(-?\d{1,15}(?:\.\d+)?)(?![\w.])", asked
    )
    return prose.arithmetic(float(found[1]), found[2], float(found[3])) if found else None


def _repeat(talk: Talk, asked: str) -> str | None:
    found = re.match(
        r"(?:please )?(?:say|repeat|echo|reply with|answer with)(?: after me| only| exactly| just)*:?\s+(.+)",
        talk.question,
        re.I | re.S,
    )
    return found[1].strip().strip("\"“”'`") if found and len(found[1].strip().strip("\"“”'`")) > 0 else None


def _measured(talk: Talk, asked: str) -> str | None:
    source = prose.Source(talk.question)
    if (count := _count(_N + r"(?:characters|chars|letters|zeichen)", asked)) is not None:
        return source.characters(min(max(count, 1), MAX_CHARACTERS))
    if (count := _count(_N + r"(?:words?|wörter\w*)\b", asked)) is not None:
        return source.words(min(max(count, 1), MAX_CHARACTERS // 8))
    if (count := _count(_N + r"sentences?\b", asked)) is not None:
        return " ".join(source.sentence() for _ in range(min(max(count, 1), 2000)))
    if (count := _count(_N + r"paragraphs?\b", asked)) is not None:
        return "\n\n".join(source.paragraph() for _ in range(min(max(count, 1), 400)))
    return None


def _list(talk: Talk, asked: str) -> str | None:
    things = r"(?:\w+ ){0,2}?(?:items|ideas|things|points|examples|reasons|tips|steps|names|facts|options|questions|bullets)\b"
    count = _count(r"list of " + _N.replace("[\\s-]+", r"\b"), asked) or _count(r"top " + _N.replace("[\\s-]+", r"\b"), asked)
    count = count if count is not None else _count(_N + things, asked)
    if count is None and not re.search(r"\b(list|bullet points|bullets|steps)\b", asked):
        return None
    source = prose.Source(talk.question)
    number = min(max(5 if count is None else count, 1), 1000)
    items = "\n".join(f"{at}. **{source.noun().capitalize()}**: {source.sentence()}" for at in range(1, number + 1))
    return f"Here are {number} about {source.subject}:\n\n{items}" if number > 1 else items


def _code(talk: Talk, asked: str) -> str | None:
    if not re.search(r"\b(code|function|script|program|snippet|class|regex|implement|sql|json|html|bash)\b|```", asked):
        return None
    return prose.code(asked, prose.subject(talk.question))


def _table(talk: Talk, asked: str) -> str | None:
    return prose.Source(talk.question).table(4) if re.search(r"\b(table|tabelle|compare|comparison)\b", asked) else None


def _long(talk: Talk, asked: str) -> str | None:
    if not re.search(r"\b(long|essay|detailed|in detail|article|story|report|chapter|at length|elaborate)\b", asked):
        return None
    source = prose.Source(talk.question)
    sections = [
        f"## {title}\n\n{source.paragraph(6)}\n\n{source.paragraph(5)}"
        for title in ("Where it begins", "How it works", "What follows")
    ]
    return (
        f"# {source.subject.capitalize()}\n\n{source.paragraph(4)}\n\n"
        + "\n\n".join(sections)
        + f"\n\n---\n\n{source.paragraph(3)}"
    )


def _short(talk: Talk, asked: str) -> str | None:
    if re.search(r"\b(short|brief|briefly|shortly|one sentence|tl;?dr|in a nutshell|yes or no)\b", asked):
        return prose.Source(talk.question).sentence()
    return None


RULES: tuple[Callable[[Talk, str], str | None], ...] = (
    _help,
    _identity,
    _greeting,
    _thanks,
    _memory,
    _repeat,
    _measured,
    _code,
    _list,
    _table,
    _sum,
    _long,
    _short,
)


def _about(talk: Talk) -> str:
    """The answer to everything else: it shows that the message and its history arrived."""
    if not talk.question:
        return "You sent me nothing to answer. Say `help` to see what I can do."
    source = prose.Source(talk.question)
    earlier = [words for words in talk.said[:-1] if words]
    link = (
        f" Earlier you wrote “{prose.clip(earlier[-1], 80)}”, and this is your message number {len(talk.said)}."
        if earlier
        else ""
    )
    points = "\n".join(f"- **{source.noun().capitalize()}**: {source.sentence()}" for _ in range(3))
    hint = "\n\n*I am a scripted model; say `help` to see what I can do.*" if talk.opens else ""
    return (
        f"You asked: “{prose.clip(talk.question, 160)}”.{link}\n\n{source.paragraph(3)}\n\n"
        f"A few points about {source.subject}:\n\n{points}\n\n{source.paragraph(2)}{hint}"
    )
