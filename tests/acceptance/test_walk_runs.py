"""Agent runs over a real server, on both stores: agents take turns, who watches is told, runs are stopped and refused."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.acceptance.test_walk_agentx import server
from tests.support.chat import Frames
from tests.walk.conftest import Backend, live, shared, shared_dynamodb

__all__ = ["live", "server", "shared", "shared_dynamodb"]


def rest(server: Backend, method: str, path: str, body: Any = None, who: str = "alice") -> tuple[int, Any]:
    """A call of the REST door: its status and JSON."""
    headers = {"content-type": "application/json", "authorization": f"Bearer {server.token(who)}"}
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(
            urllib.request.Request(server.url + path, data, headers, method=method), timeout=20
        ) as answer:
            return answer.status, json.load(answer)["data"]
    except urllib.error.HTTPError as refused:
        return refused.code, json.load(refused)


def task(server: Backend, description: str = "") -> str:
    return str(rest(server, "POST", "/tasks", {"title": "Bridge", "description": description})[1]["taskId"])


def of_runs(line: Frames, type_: str) -> list[str]:
    """The states that were told of the runs of a type."""
    told = [each["data"]["agentRun"] for each in line.heard if each["event"] == "agent-run-updated"]
    return [each["state"] for each in told if each["agentType"] == type_]


def test_implementation_is_followed_by_a_review_that_ends_the_workflow_and_who_watches_is_told(server: Backend) -> None:
    """001-20, 25, 26, 27, U03, U07, U11: started over REST, told over the socket, a second apart, and no further."""
    bridge = task(server, "/say All is well. WORKFLOW_COMPLETE")
    alice, other = Frames(server.url, server.token("alice")), Frames(server.url, server.token("alice"))
    for each in (alice, other):
        each.wait("connection:ready")
    assert alice.ask("subscribe-task", {"taskId": bridge})["agentRuns"] == []
    body = {"agentType": "implementation", "message": "/say it is built"}
    status, run = rest(server, "POST", f"/tasks/{bridge}/agent-runs", body)
    assert (status, run["status"], run["triggeredBy"]) == (201, "pending", "manual")
    ended = lambda kind: lambda told: (told["agentRun"]["agentType"], told["agentRun"]["state"]) == (kind, "completed")  # noqa: E731
    alice.wait("agent-run-updated", ended("implementation"), seconds=40)
    second = alice.wait("agent-run-updated", ended("review"), seconds=40)["agentRun"]
    assert second["triggeredBy"] == "chain"
    assert of_runs(alice, "implementation")[-1] == of_runs(alice, "review")[-1] == "completed"
    first = rest(server, "GET", f"/agent-runs/{run['agentRunId']}")[1]
    assert second["createdAt"] - first["endedAt"] >= 1000, "a second later"
    for conversation in (first["conversationId"], second["conversationId"]):
        alice.wait("conversation-added", lambda told, it=conversation: told["conversation"]["conversationId"] == it)
        alice.wait("streaming-ended", lambda told, it=conversation: told["conversationId"] == it and not told["isError"])
    now = rest(server, "GET", f"/tasks/{bridge}")[1]
    assert (now["workflowComplete"], "running" in now) == (True, False)
    assert len(rest(server, "GET", f"/tasks/{bridge}/agent-runs")[1]) == 2
    assert other.ask("get-active-sessions", {})["sessions"] == []
    assert not [each for each in other.heard if each["event"].startswith(("agent-run", "streaming", "conversation-added"))]
    for each in (alice, other):
        each.close()


def test_a_second_run_is_409_and_stopping_over_the_socket_frees_the_task(server: Backend) -> None:
    """001-U05, U06, U08, U11, U16: of eight starts at once one takes place; `abort-session` ends it `aborted`."""
    bridge = task(server)
    body = {"agentType": "planification", "message": "/pace 30\nwrite 5000 characters"}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: rest(server, "POST", f"/tasks/{bridge}/agent-runs", body), range(8)))
    assert sorted(status for status, _ in answers) == [201] + [409] * 7
    run = next(told for status, told in answers if status == 201)
    alice = Frames(server.url, server.token("alice"))
    alice.wait("connection:ready")
    alice.ask("subscribe-session", {"sessionId": run["sessionId"]})
    alice.wait("claude-response")
    assert alice.ask("check-session-status", {"sessionId": run["sessionId"]})["isProcessing"] is True
    bob = Frames(server.url, server.token("bob"))
    bob.wait("connection:ready")
    assert bob.ask("abort-session", {"sessionId": run["sessionId"]})["success"] is False
    assert alice.ask("abort-session", {"sessionId": run["sessionId"]})["success"] is True
    alice.wait("streaming-ended", seconds=20)
    ended = rest(server, "GET", f"/agent-runs/{run['agentRunId']}")[1]
    assert (ended["status"], ended["state"]) == ("failed", "aborted")
    assert rest(server, "POST", f"/tasks/{bridge}/agent-runs", {**body, "message": "/say x"})[0] == 201
    assert rest(server, "GET", f"/agent-runs/{run['agentRunId']}", who="bob")[0] == 404
    for each in (alice, bob):
        each.close()


def test_a_run_of_the_callers_own_making_is_completed_by_a_message_over_the_socket(server: Backend) -> None:
    """001-01, 03, 10, 17, 21, U10: the run is made, linked, and spoken to as any chat."""
    bridge = task(server)
    status, run = rest(server, "POST", f"/tasks/{bridge}/agent-runs", {"agentType": "review", "begin": False})
    assert (status, run["status"], "conversationId" in run) == (201, "pending", False)
    record = rest(server, "POST", "/images", {})[1]["record"]
    link = {"conversationId": record["conversationId"]}
    assert rest(server, "PUT", f"/agent-runs/{run['agentRunId']}/link-conversation", link)[0] == 200
    alice = Frames(server.url, server.token("alice"), conversationId=record["conversationId"])
    alice.wait("connection:ready")
    alice.ask("subscribe-task", {"taskId": bridge})
    assert alice.ask("message:send", {"content": "/say it is fine"})["success"]
    alice.wait("agent-run-updated", lambda told: told["agentRun"]["state"] == "completed", seconds=20)
    ended = rest(server, "GET", f"/agent-runs/{run['agentRunId']}")[1]
    assert (ended["status"], ended["conversationId"]) == ("completed", record["conversationId"])
    alice.close()
