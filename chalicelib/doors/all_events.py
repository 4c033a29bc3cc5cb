"""Every event that a client of a chat socket may send, by its name."""

from __future__ import annotations

from chalicelib.doors.agentx_rows import AGENTX
from chalicelib.doors.control_rows import CONTROLS
from chalicelib.doors.event_rows import ROOMS, Row

EVENTS: dict[str, Row] = {**ROOMS, **AGENTX, **CONTROLS}
