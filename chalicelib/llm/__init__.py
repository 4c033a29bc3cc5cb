"""The model's voice: prompts in, chunks out. The SDK is imported here only, and lazily: this import costs nothing.

`chunks` and `prompt` are pure; `claude` asks (`reply` for what is to be stored, `stream` for one bare request); `retry` says
when to ask again; `outcome` lists how a reply can end; `wire` and `faults` touch the HTTP library and the SDK.
"""

from chalicelib.llm.chunks import Chunk, Joiner, Kind
from chalicelib.llm.claude import ModelSettings, reply, stream
from chalicelib.llm.outcome import STOPPED, Event, Finished, ModelFailed, Reason, Usage
from chalicelib.llm.prompt import Prompt, Role, Turn
from chalicelib.llm.retry import Retry, Time, retrying

__all__ = [
    "STOPPED",
    "Chunk",
    "Event",
    "Finished",
    "Joiner",
    "Kind",
    "ModelFailed",
    "ModelSettings",
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
