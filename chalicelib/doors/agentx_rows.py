"""The requests of AgentX's engine on a chat socket, each with its response: rows.

A request's data may hold a `requestId`; its response comes as an event of its own name with that id, and what the function
returned or `error`. An acknowledgement says the same, where one is asked for.
"""

from __future__ import annotations

from chalicelib.doors.event_rows import Row


def _ask(function: str, *, wrap: str = "", query: bool = False, socket: bool = False, missing: str = "", **names: str) -> Row:
    return Row(function, query=query, socket=socket, names=names, responds=True, wrap=wrap, missing=missing)


AGENTX: dict[str, Row] = {
    "container_create_request": _ask("agentx:container"),
    "container_get_request": _ask("domains:get", query=True, wrap="record", missing="DOMAIN_NOT_FOUND", containerId="domainId"),
    "container_list_request": _ask("domains:list", query=True, wrap="records"),
    "image_create_request": _ask("agentx:create", socket=True),
    "image_get_request": _ask("images:get", query=True, wrap="record", missing="IMAGE_NOT_FOUND"),
    "image_list_request": _ask("images:list", query=True, wrap="records"),
    "image_update_request": _ask("agentx:update", wrap="record"),
    "image_delete_request": _ask("images:delete"),
    "image_run_request": _ask("agentx:run", socket=True, wrap="record"),
    "image_stop_request": _ask("agentx:stop", socket=True, wrap="imageId"),
    "image_messages_request": _ask("images:messages", query=True, wrap="messages"),
    "message_send_request": _ask("agentx:send", socket=True),
    "agent_get_request": _ask("agentx:alive", query=True, wrap="alive", agentId="replyId"),
    "agent_list_request": _ask("agentx:agents", query=True, wrap="agents"),
    "agent_interrupt_request": _ask("agentx:interrupt", wrap="interrupted", agentId="replyId"),
    "agent_destroy_request": _ask("agentx:interrupt", wrap="destroyed", agentId="replyId"),
    "agent_destroy_all_request": _ask("agentx:destroyAll", wrap="destroyed"),
    "session_fork_request": _ask("images:fork"),
    "session_resume_request": _ask("chat:resumeSession", wrap="sessionId"),
    "session_title_update_request": _ask("images:update", wrap="record", title="name"),
}
