"""READ FIRST: every table of the chat backend, and every index with the question it answers.

A conversation, its image (the configuration it was created with) and its session (what a user lists, names, resumes and
ends) are 1 : 1 : 1 and opened together. The conversation's row counts its log, so it is the log's fence, and it names the
one run that is active, so that there can be only one.

Index names are those of the documents this system implements. `eventual` indexes are for look-ups and sweeps; a function
that a subscriber watches cannot read them.

conversations.py   Conversation, Participant, Domain, Image, ChatSession
log.py             ChatMessage, ChatChunk, Run, ParkedReply, ClientKey
facts.py           Fact
memories.py        Memory, MemoryVersion, MemoryModel, MemoryErasure, MemoryRetention
mutable.py         Mutable
immutable.py       Immutable, ImmutableVersion
machines.py        Enrolment, WorkerSecret, Machine, Worker, WorkerBeat, Permission
gateway.py         Agent, AgentRoom, ChatSocket, Presence, Receipt
tasks.py           Task, AgentRun, CronAgent
push.py            PushSubscription
upkeep.py          Erasure, Residue, Budget, OpenReplies
"""

from chalicelib.schema.conversations import (
    MINUTE,
    ChatSession,
    Conversation,
    Domain,
    Image,
    Participant,
    Responder,
    Room,
    RunState,
    Status,
)
from chalicelib.schema.facts import Fact, FactType
from chalicelib.schema.gateway import Agent, AgentRoom, ChatSocket, Presence, Receipt
from chalicelib.schema.immutable import Immutable, ImmutableVersion
from chalicelib.schema.log import ChatChunk, ChatMessage, ClientKey, ParkedReply, Run, Said
from chalicelib.schema.machines import Enrolment, Machine, Permission, Worker, WorkerBeat, WorkerSecret
from chalicelib.schema.memories import (
    DIMENSIONS,
    GIVEN,
    ContentType,
    ConversationRef,
    ImmutableRef,
    Memory,
    MemoryErasure,
    MemoryModel,
    MemoryRetention,
    MemoryVersion,
    MutableRef,
    SourceType,
)
from chalicelib.schema.mutable import Mutable
from chalicelib.schema.push import PushSubscription
from chalicelib.schema.tasks import WORKFLOW_COMPLETE, AgentRun, AgentType, CronAgent, Task, TaskStatus
from chalicelib.schema.upkeep import Budget, Erasure, OpenReplies, Residue

__all__ = [
    "DIMENSIONS",
    "GIVEN",
    "MINUTE",
    "WORKFLOW_COMPLETE",
    "Agent",
    "AgentRoom",
    "AgentRun",
    "AgentType",
    "Budget",
    "ChatChunk",
    "ChatMessage",
    "ChatSession",
    "ChatSocket",
    "ClientKey",
    "ContentType",
    "Conversation",
    "ConversationRef",
    "CronAgent",
    "Domain",
    "Enrolment",
    "Erasure",
    "Fact",
    "FactType",
    "Image",
    "Immutable",
    "ImmutableRef",
    "ImmutableVersion",
    "Machine",
    "Memory",
    "MemoryErasure",
    "MemoryModel",
    "MemoryRetention",
    "MemoryVersion",
    "Mutable",
    "MutableRef",
    "OpenReplies",
    "ParkedReply",
    "Participant",
    "Permission",
    "Presence",
    "PushSubscription",
    "Receipt",
    "Residue",
    "Responder",
    "Room",
    "Run",
    "RunState",
    "Said",
    "SourceType",
    "Status",
    "Task",
    "TaskStatus",
    "Worker",
    "WorkerBeat",
    "WorkerSecret",
]
