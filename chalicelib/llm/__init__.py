"""The model's voice: prompts in, pieces out. The SDK is imported here only, and lazily: this import costs nothing.

`pieces` and `prompt` are pure; `claude` asks (`reply` for what is to be stored, `stream` for one bare request); `retry` says
when to ask again; `outcome` lists how a reply can end; `wire` and `faults` touch the HTTP library and the SDK.
"""

from chalicelib.llm.claude import ModelSettings, reply, stream
from chalicelib.llm.outcome import STOPPED, Event, Finished, ModelFailed, Reason, Usage
from chalicelib.llm.pieces import Joiner, Kind, Piece
from chalicelib.llm.prompt import Prompt, Role, Turn
from chalicelib.llm.retry import Retry, Time, retrying

__all__ = [
    "STOPPED",
    "Event",
    "Finished",
    "Joiner",
    "Kind",
    "ModelFailed",
    "ModelSettings",
    "Piece",
    "Prompt",
    "Reason",
    "Retry",
    "Role",
    "Time",
    "Turn",
    "Usage",
    "reply",
    "retrying",
    "stream",
]
