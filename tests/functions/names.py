"""Which arguments of public functions name something of somebody's, and how such a name begins.

A new kind of thing is added here; `tests/functions/test_strangers.py` says when one is missing.
"""

from __future__ import annotations

import re

NAMES = {
    "sessionId": "sess_",
    "messageId": "msg-",
    "workerId": "worker-",
    "domainId": "d",
    "containerId": "domain_",
    "imageId": "img_",
    "taskId": "task-",
    "agentRunId": "arun-",
    "scheduleId": "sched-",
    "conversationId": "conv-",
    "userId": "user-",
    "agentId": "agent-",
    "id": "agent-",
    "replyId": "agent_",
    "participantId": "user-",
    "receiptId": "erasure-",
    "machineId": "machine-",
    "requestId": "perm-",
    "memoryId": "mem-",
    "factId": "fact-",
    "socket": "socket-",
    "endpoint": "https://fcm.googleapis.com/fcm/send/",
}
"""Wire names of arguments that name something of somebody's, with the beginning of such a name. `…Ids` are lists of them."""
FREE = {"agentSessionId", "claudeSessionId", "parentId", "message.id", "message.agentId", "paginationOpts.id"}
FREE |= {"toolCallId", "optionId", "immutableRef.id"}
FREE |= {"conversationRef.conversationId", "conversationRef.messageIds"}  # tests/functions/test_memories_rules.py
FREE |= {"options.conversationId", "settings.primaryRoleId", "settings.subRoleIds"}
"""Names that the caller makes up, within something of its own."""
CHOSEN = {("conversations:create", "conversationId"), ("agents:create", "id"), ("gateway:open", "socket")}
CHOSEN |= {("memory:remember", "conversationId")}
CHOSEN |= {("push:subscribe", "subscription.endpoint")}
"""Names that the caller chooses for something new. They are unique in an org: a colleague may learn that one is taken.
A browser's endpoint is the browser's own secret: who shows it has the browser before him, and takes it over."""
MADE_AT_ONCE = {("memory:remember", "conversationId")}
"""Of these the ones that everybody may choose, and then has one of that name in an org of its own: nothing is learned by that."""
MADE_NOW = re.compile(
    r"(sess_|rev-|msg-|conv-|img_|run-|chunk-|job-|erasure-|agent-|domain_d|mem-|fact-|task-|arun-|sched-|c-|d)([0-9]+-)?[a-z2-7]{20}"
    r"|push-[0-9a-f]{40}|Request ID: [0-9a-f]{16}"
    r"|conv-[0-9a-f-]{36}|perm-[0-9a-f]{32}|secret_[A-Za-z0-9_-]{43}|\b[B-DF-HJ-NP-TV-Z]{4}-[B-DF-HJ-NP-TV-Z]{4}\b"
    r"|eyJ[\w-]+\.[\w-]+\.[\w-]+|\b1[0-9]{12}(\.[0-9]+)?|.sequence.: ?[0-9]+"
    r'|"digest":"[0-9a-f]*"|"erased":\{("memories":[0-9]+)?\}'
)
"""What is new with every call: ids, signed tokens, moments, places in a log of the caller's own, and how many of the memories
that it stored for a name just before were erased with that name."""
