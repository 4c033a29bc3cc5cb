"""REST, as rows: (method, path → function, names, what becomes of the result). Everything else follows from the function.

A path's `{name}` is the function's argument of that name. What is left of the arguments comes from the query string (GET,
DELETE) or the JSON body (POST, PUT, PATCH); `names` renames what a document calls otherwise, such as `filter[agentId]`. The
OpenAPI document is printed from these rows and the functions' signatures, so it cannot be wrong about them.
"""

from __future__ import annotations

from chalicelib.doors.memory_routes import MEMORY
from chalicelib.doors.route import Route
from chalicelib.doors.store_routes import STORES


def _chat(method: str, path: str, function: str, **more: object) -> Route:
    return Route(method, path, f"chat:{function}", "sessions", **more)  # type: ignore[arg-type]


NO_SESSION = ("SessionNotFound", "Session not found")

SESSIONS = [
    _chat("GET", "/sessions", "listSessions"),
    _chat("POST", "/sessions", "startSession", status=201),
    _chat("GET", "/sessions/{sessionId}", "getSession", missing=NO_SESSION),
    _chat("POST", "/sessions/{sessionId}/resume", "resumeSession"),
    _chat("POST", "/sessions/{sessionId}/end", "endSession"),
    _chat("POST", "/sessions/{sessionId}/stop", "stop"),
    _chat("GET", "/sessions/{sessionId}/messages", "getMessages"),
    _chat("POST", "/sessions/{sessionId}/messages", "sendMessage", status=201),
    _chat("GET", "/sessions/{sessionId}/messages/{messageId}/chunks", "subscribeToChunks"),
]


def _agent(method: str, tail: str, function: str, **more: object) -> Route:
    return Route(method, f"/agents{tail}", f"agents:{function}", "agents", **more)  # type: ignore[arg-type]


AGENTS = [
    _agent("GET", "", "list"),
    _agent("POST", "", "create", status=201),
    _agent("GET", "/{agentId}", "get", missing=("AgentNotFound", "Agent not found")),
    _agent("PATCH", "/{agentId}", "update"),
    _agent("POST", "/{agentId}/connect", "connect", result="bare", anybody=True),
    _agent("POST", "/{agentId}/heartbeat", "heartbeat"),
    _agent("POST", "/{agentId}/disconnect", "disconnect"),
    _agent("POST", "/{agentId}/credentials/regenerate", "regenerate"),
    _agent("POST", "/{agentId}/suspend", "suspend"),
    _agent("POST", "/{agentId}/activate", "activate"),
]


def _room(method: str, tail: str, function: str, **more: object) -> Route:
    path = function if ":" in function else f"rooms:{function}"
    return Route(method, f"/conversations{tail}", path, "conversations", **more)  # type: ignore[arg-type]


STATUS = {"filter[status]": "status"}
FILTERS = {"filter[agentId]": "agentId", "filter[status]": "status"}
NO_ROOM = ("CONVERSATION_NOT_FOUND", "Conversation not found")
ONE = "/{conversationId}"

CONVERSATIONS = [
    _room("GET", "", "list", names=FILTERS, result="page"),
    _room("POST", "", "create", status=201),
    _room("GET", "/my-conversations", "list", names=STATUS, hidden=("agentId",), result="page"),
    _room("GET", "/agent/{agentId}", "list", names=STATUS, result="page"),
    _room("POST", "/route", "route"),
    _room("GET", ONE, "get", missing=NO_ROOM),
    _room("PATCH", ONE, "update"),
    _room("DELETE", ONE, "conversations:delete"),
    _room("POST", f"{ONE}/close", "close"),
    _room("POST", f"{ONE}/archive", "archive"),
    _room("POST", f"{ONE}/summary", "summaries:ask", status=202),
    _room("GET", f"{ONE}/participants", "participants"),
    _room("POST", f"{ONE}/participants", "addParticipant"),
    _room("POST", f"{ONE}/participants/add", "addParticipant"),
    _room("POST", f"{ONE}/participants/remove", "removeParticipant"),
    _room("GET", f"{ONE}/online", "gateway:online", hidden=("socket",)),
    _room("GET", f"{ONE}/messages", "history:messages", result="page", missing=NO_ROOM),
    _room("POST", f"{ONE}/messages", "send", status=201, hidden=("socket",)),
    _room("GET", f"{ONE}/messages/search", "history:search", result="page", missing=NO_ROOM),
    _room("GET", f"{ONE}/messages/statistics", "history:statistics", missing=NO_ROOM),
    _room("GET", f"{ONE}/messages/{{messageId}}", "history:message", missing=("MessageNotFound", "Message not found")),
    _room("GET", f"{ONE}/messages/{{messageId}}/thread", "history:thread", missing=("MessageNotFound", "Message not found")),
    _room("POST", f"{ONE}/messages/{{messageId}}/read", "receipts:read"),
    _room("GET", f"{ONE}/receipts", "receipts:get"),
    _room("GET", f"{ONE}/unread", "receipts:unread", missing=NO_ROOM),
]


def _image(method: str, path: str, function: str, **more: object) -> Route:
    return Route(method, path, function, path.split("/")[1], **more)  # type: ignore[arg-type]


DOMAIN, IMAGE = "/domains/{domainId}", "/images/{imageId}"
NO_DOMAIN = ("DOMAIN_NOT_FOUND", "Domain not found")
NO_IMAGE = ("IMAGE_NOT_FOUND", "Image not found")
NO_AGENT = ("AgentNotFound", "Agent not found")

IMAGES = [
    _image("GET", "/domains", "domains:list"),
    _image("POST", "/domains", "domains:create", status=201),
    _image("GET", DOMAIN, "domains:get", missing=NO_DOMAIN),
    _image("PATCH", DOMAIN, "domains:update"),
    _image("DELETE", DOMAIN, "domains:delete"),
    _image("GET", f"{DOMAIN}/conversations", "domains:conversations", result="page"),
    _image("POST", f"{DOMAIN}/conversations", "domains:startConversation", status=201),
    _image("PATCH", f"/conversations{ONE}/title", "images:rename"),
    _image("POST", f"/conversations{ONE}/abort", "images:abort"),
    _image("PATCH", f"/conversations{ONE}/claude-id", "adapter:linkSession", names={"claudeConversationId": "claudeSessionId"}),
    _image("GET", "/images", "images:list"),
    _image("POST", "/images", "images:create", status=201),
    _image("GET", IMAGE, "images:get", missing=NO_IMAGE),
    _image("PATCH", IMAGE, "images:update"),
    _image("DELETE", IMAGE, "images:delete"),
    _image("GET", f"{IMAGE}/messages", "images:messages"),
    _image("POST", f"{IMAGE}/messages", "images:send", status=201),
    _image("POST", f"{IMAGE}/interrupt", "images:interrupt"),
    _image("POST", f"{IMAGE}/fork", "images:fork", status=201),
    _image("POST", f"{IMAGE}/edit", "images:edit", status=201),
    _image("POST", f"{IMAGE}/regenerate", "images:regenerate", status=201),
]

TASK, RUN, SCHEDULE = "/tasks/{taskId}", "/agent-runs/{agentRunId}", "/schedules/{scheduleId}"

TASKS = [
    _image("GET", "/tasks", "tasks:list"),
    _image("POST", "/tasks", "tasks:create", status=201),
    _image("GET", TASK, "tasks:get", missing=("TaskNotFound", "Task not found")),
    _image("PATCH", TASK, "tasks:update"),
    _image("DELETE", TASK, "tasks:delete"),
    _image("GET", f"{TASK}/conversations", "tasks:conversations"),
    _image("POST", f"{TASK}/conversations", "adapter:startConversation", status=201),
    _image("GET", f"{TASK}/agent-runs", "tasks:runs"),
    _image("POST", f"{TASK}/agent-runs", "tasks:startRun", names={"agentType": "type"}, status=201),
    _image("GET", RUN, "tasks:getRun", missing=("AgentRunNotFound", "Agent run not found")),
    _image("DELETE", RUN, "tasks:deleteRun"),
    _image("POST", f"{RUN}/stop", "tasks:stopRun"),
    _image("PUT", f"{RUN}/complete", "tasks:completeRun"),
    _image("PUT", f"{RUN}/link-conversation", "tasks:linkConversation"),
    _image("GET", "/schedules", "schedules:list"),
    _image("POST", "/schedules/validate", "schedules:validate"),
    _image("POST", "/schedules", "schedules:create", status=201),
    _image("GET", SCHEDULE, "schedules:get", missing=NO_AGENT),
    _image("PATCH", SCHEDULE, "schedules:update"),
    _image("DELETE", SCHEDULE, "schedules:delete"),
    _image("POST", f"{SCHEDULE}/run", "schedules:runNow", status=201),
    _image("GET", f"{SCHEDULE}/runs", "schedules:runs"),
    _image("POST", "/schedules/{agentId}/conversations", "adapter:startAgentConversation", status=201),
]

PUSH = [
    _image("GET", "/push/public-key", "push:publicKey", anybody=True),
    _image("GET", "/push/subscriptions", "push:list"),
    _image("POST", "/push/subscriptions", "push:subscribe", status=201),
    _image("DELETE", "/push/subscriptions", "push:unsubscribe"),
    _image("POST", "/push/test", "push:test"),
]

WORKERS = [
    Route("POST", "/worker/enrol", "workers:enrol", "workers", status=201, result="bare", anybody=True),
    Route("POST", "/worker/token", "workers:token", "workers", result="bare", anybody=True),
]

ROUTES: list[Route] = sorted(
    [*SESSIONS, *AGENTS, *CONVERSATIONS, *IMAGES, *TASKS, *PUSH, *WORKERS, *MEMORY, *STORES], key=lambda row: len(row.places)
)
"""Every row; a path without `{}` goes before one with it."""
