"""A writer in a simulated deployment: it adds pieces to a text and tells those who watch. It may die or freeze at any step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.wiring import Lent
from tests.live import counters

if TYPE_CHECKING:
    from tests.support.sim import Sim

ORG = "acme"
LOOKS_MS = 100
"""A writer whose model is silent is asked so often whether it is to stop."""


def write(sim: Sim, reply: str, pauses: list[float], *, ends: bool = True) -> None:
    """Write a text, a piece after each of these pauses (ms), and end it (`ends`). Ends early when somebody else has ended it."""
    lent: Any = Lent(None, None, sim.executor, sim.backend, sim.clock)  # type: ignore[arg-type]
    viewers = None
    try:
        for number, pause in enumerate(pauses):
            while pause > 0:
                sim.clock.sleep(min(pause, LOOKS_MS) / 1000)
                pause -= LOOKS_MS
                if viewers is not None:
                    viewers.look()
            piece = counters.SimPiece(id=f"{reply}-{number}", reply=reply, sequence=number, text=f"{reply}:{number}")
            viewers = viewers or lent.viewers(ORG, piece)
            if not lent.append(ORG, piece, viewers):
                return
    finally:
        if viewers is not None:
            viewers.close()
    if ends:
        sim.executor.mutation(
            "counters:seal", {"reply": reply, "op": f"{reply}:end"}, sim.backend.verifier.verify(f"writer@{ORG}")
        )


def start(sim: Sim, reply: str, pauses: list[float], delay_ms: float = 0.0) -> None:
    """An invocation writes."""
    sim.invoke("generate", lambda: write(sim, reply, pauses), delay_ms)
