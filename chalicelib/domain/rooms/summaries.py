"""What a summary is made of, and what the model is told to do with it (`functions/summaries.py`)."""

from __future__ import annotations

READ, LINE = 60, 500
"""The newest messages that a summary is made of, with the summary before, and the characters of each: 120 KB in any script."""
SECONDS = 60
INSTRUCTION = (
    "Summarise this conversation for somebody who joins it: who wants what, what was decided, what is open. At most 80 words."
)
