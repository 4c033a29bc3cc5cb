"""Sentences, paragraphs, tables and code for the scripted model. Deterministic: the same question gives the same text."""

from __future__ import annotations

import random
import re

NUMBERS = {
    word: number
    for number, word in enumerate(
        ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"), 1
    )
} | {"twenty": 20, "fifty": 50, "hundred": 100}

_STOP = frozenset(
    """
    a about an and any are as at be but by can characters chars could do does explain for from give had has have how i if in is
    it its items just let like list long make me my not of on one only or our out please say short should so some tell than
    that the their them then there these they this to up us use want was we were what when where which who why will with words
    would write you your answer article bash code compare comparison essay explanation function html javascript json paragraph
    paragraphs chunk python report script sentence sentences shell sql story summary table text typescript word
    """.split()  # noqa: SIM905 - words in a row are easier to read than a list
)
_OPENERS = (
    "In practice,",
    "Usually",
    "At first",
    "On closer look,",
    "Most of the time",
    "After a while",
    "For many people",
    "Step by step,",
)
_VERBS = (
    "depends on",
    "grows out of",
    "is shaped by",
    "benefits from",
    "rests on",
    "changes with",
    "is limited by",
    "begins with",
)
_NOUNS = (
    "patience",
    "a clear goal",
    "good tools",
    "small experiments",
    "shared habits",
    "the right order",
    "honest feedback",
    "a simple plan",
    "steady attention",
    "careful measuring",
    "early tests",
    "plain language",
    "a second look",
    "enough rest",
    "open questions",
    "reliable notes",
)
_ENDS = (
    "and that is easy to overlook",
    "which shows in the details",
    "so it pays to start small",
    "even when nobody watches",
    "and the rest follows",
    "as everyone finds out sooner or later",
    "while the opposite is rarely true",
    "and it can be learned",
)


def clip(text: str, limit: int) -> str:
    """At most `limit` characters of a text, on one line."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[: limit - 1].rstrip() + "…"


def plural(count: int, noun: str) -> str:
    """`1 message`, `2 messages`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def subject(question: str) -> str:
    """The words of a question that carry its meaning, at most four."""
    words = [word for word in re.findall(r"[^\W\d_][\w'-]+", question) if word.lower() not in _STOP]
    return clip(" ".join(words[:4]), 60) or "this"


class Source:
    """A well of prose about one question."""

    def __init__(self, question: str) -> None:
        self._random = random.Random(question.encode("utf-8", "replace"))
        self.subject = subject(question)

    def noun(self) -> str:
        """A thing, in a few words."""
        return self._random.choice(_NOUNS)

    def sentence(self) -> str:
        """About a dozen words."""
        pick = self._random.choice
        about = f"“{self.subject}”" if " " in self.subject else self.subject
        who = pick((about, about, "it", "the whole matter"))
        return f"{pick(_OPENERS)} {who} {pick(_VERBS)} {pick(_NOUNS)}, {pick(_ENDS)}."

    def paragraph(self, sentences: int = 4) -> str:
        """Sentences in a row."""
        return " ".join(self.sentence() for _ in range(sentences))

    def characters(self, count: int) -> str:
        """Exactly this many characters, in paragraphs."""
        text = self.paragraph()
        while len(text) < count:
            text += "\n\n" + self.paragraph()
        return text[: count - 1].rstrip().ljust(count - 1, ".") + "."

    def words(self, count: int) -> str:
        """Exactly this many words."""
        found: list[str] = []
        while len(found) < count:
            found += self.sentence().split()
        return " ".join(found[:count]).rstrip(",.;") + "."

    def table(self, rows: int) -> str:
        """A Markdown table."""
        lines = [f"| {at} | {self.noun()} | {self._random.randint(10, 99)} % |" for at in range(1, rows + 1)]
        return f"A table about {self.subject}:\n\n| # | Aspect | Weight |\n|---|---|---|\n" + "\n".join(lines)


def arithmetic(left: float, sign: str, right: float) -> str:
    """The result of one operation, in a sentence."""
    match sign:
        case "+" | "plus":
            result, shown = left + right, "+"
        case "-" | "minus":
            result, shown = left - right, "−"
        case "/" | "÷" | "divided by":
            if right == 0:
                return "Division by zero has no result."
            result, shown = left / right, "÷"
        case _:
            result, shown = left * right, "×"
    return f"{left:.15g} {shown} {right:.15g} = **{result:.15g}**"


_LANGUAGES = (
    (r"\b(typescript|ts)\b", "typescript"),
    (r"\b(javascript|js|node|react)\b", "javascript"),
    (r"\b(bash|shell|sh)\b", "bash"),
    (r"\bsql\b", "sql"),
    (r"\bjson\b", "json"),
    (r"\bhtml\b", "html"),
)
_CODE = {
    "python": '''
def NAME(values: list[int]) -> int:
    """Add up what is positive."""
    return sum(value for value in values if value > 0)


print(NAME([3, -1, 4]))  # 7
''',
    "typescript": """
export function NAME(values: number[]): number {
  return values.filter((value) => value > 0).reduce((a, b) => a + b, 0);
}

console.log(NAME([3, -1, 4])); // 7
""",
    "javascript": """
function NAME(values) {
  return values.filter((value) => value > 0).reduce((a, b) => a + b, 0);
}

console.log(NAME([3, -1, 4])); // 7
""",
    "bash": """
NAME() {
  local total=0
  for value in "$@"; do
    if (( value > 0 )); then total=$((total + value)); fi
  done
  echo "$total"
}

NAME 3 -1 4  # 7
""",
    "sql": """
SELECT owner, SUM(amount) AS total
FROM NAME
WHERE amount > 0
GROUP BY owner
ORDER BY total DESC;
""",
    "json": """
{
  "name": "NAME",
  "values": [3, -1, 4],
  "total": 7
}
""",
    "html": """
<section id="NAME">
  <h1>Total</h1>
  <p>7</p>
</section>
""",
}


def code(asked: str, about: str) -> str:
    """A fenced block in the language that was asked for (Python if none was), with a sentence around it."""
    language = next((name for pattern, name in _LANGUAGES if re.search(pattern, asked)), "python")
    name = re.sub(r"\W+", "_", about.lower()).strip("_")[:30].strip("_") or "total"
    name = name if re.fullmatch(r"[a-z_]\w*", name, re.ASCII) else "total"
    return (
        f"Here is some {language} about {about}:\n\n```{language}\n{_CODE[language].strip().replace('NAME', name)}\n```\n\n"
        "It keeps what is positive and leaves the rest out. I am a scripted model, so treat it as a placeholder."
    )
