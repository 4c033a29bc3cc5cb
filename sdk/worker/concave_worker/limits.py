"""Numbers of a worker that its backend, or its owner's patience, sets. Times are in seconds, sizes in bytes of UTF-8."""

from __future__ import annotations

FLUSH_S = 0.25
"""How long words wait for more before they are sent."""
FLUSH_BYTES = 2048
"""So many words are sent at once."""
LARGEST_PART = 14 * 1024
"""A tool call or its answer as JSON; the backend takes 16 KB."""
LARGEST_FIELD = 5 * 1024
"""One text of a part."""
BUFFER_BYTES = 1024 * 1024
"""Pieces that wait for a backend that does not answer; beyond it only the whole answer is sent, in the end."""
LARGEST_ANSWER = 300_000
"""Characters of an answer."""
LARGEST_PARTS = 200 * 1024
"""All parts that the whole message repeats."""

HEARTBEAT_S = 30.0
RENEW_S = 15.0
"""A reply's lease is 60 s."""
SYNC_S = 600.0
"""How often the sessions of agents' programs are brought together with those of the chat."""
IDLE_S = 600.0
"""After so long without a turn an agent's process is closed; its session is resumed with the next message."""
START_AGAIN_S = 1.5
"""An agent that could not be started is started once more after so long."""
STOP_S = 30.0
"""How long turns may go on when the process is asked to stop."""
DEATHS, DEATHS_WITHIN_S = 3, 300.0
"""So many deaths of an agent within so long, and its session takes no turn until they are that long ago."""
