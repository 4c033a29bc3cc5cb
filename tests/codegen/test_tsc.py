"""The written types in TypeScript's own judgement: right calls pass, wrong ones do not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WEB = ROOT / "web"

RIGHT = """
import { useMutation, usePaginatedQuery, useQuery } from "convex/react";
import { ConvexHttpClient } from "convex/browser";
import type { FunctionReturnType } from "convex/server";
import { api, type ErrorCode } from "./generated/api";
import type { Doc, Id } from "./generated/dataModel";

export function use() {
  const counter: number | undefined = useQuery(api.live_counter.read, { name: "a" });
  const messages = useQuery(api.chat.getMessages, { sessionId: "s", limit: 3 });
  const role: "user" | "assistant" | "system" | "tool" | undefined = messages?.[0]?.role;
  const paged = usePaginatedQuery(api.chat.listMessages, { sessionId: "s" }, { initialNumItems: 5 });
  const text: string | undefined = paged.results[0]?.content;
  const send = useMutation(api.chat.sendMessage);
  const sent: Promise<string> = send({ sessionId: "s", content: "hello" });
  return { counter, role, text, sent };
}
export type Session = FunctionReturnType<typeof api.chat.getSession>;
export const nobody: Session = null;
export const code: ErrorCode = "SessionNotFound";
export const value = (found: Doc<"liveCounters">): number => found.value;
export const id = (found: Doc<"liveCounters">): Id<"liveCounters"> => found._id;
export const once = (client: ConvexHttpClient): Promise<number> =>
  client.mutation(api.live_counter.add, { name: "a", amount: 2 });
"""
WRONG = {
    "a wrong name": 'client.mutation(api.live_counter.add, { name: "a", amonut: 2 })',
    "a wrong type": "client.query(api.live_counter.read, { name: 3 })",
    "a missing argument": "client.query(api.live_counter.read, {})",
    "a mutation as a query": 'client.query(api.live_counter.add, { name: "a" })',
    "a function that is not there": 'client.query(api.live_counter.nothing, { name: "a" })',
    "a value of another union": 'client.query(api.chat.listSessions, { status: "asleep" })',
    "a field that is not there": '(client.query(api.chat.getSession, { sessionId: "s" })).then((found) => found!.colour)',
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A TypeScript project with written types, of the chat and of a user's own package."""
    if not (WEB / "node_modules").exists():
        pytest.skip("TypeScript comes with `npm ci` in web, which needs Node")
    folder = tmp_path_factory.mktemp("typed")
    (folder / "node_modules").symlink_to(WEB / "node_modules")
    (folder / "tsconfig.json").write_text((WEB / "tsconfig.json").read_text())
    apps = {"CONCAVE_APPS": "chalicelib.functions,examples.live_counter", "OUT": str(folder / "src" / "generated")}
    subprocess.run([sys.executable, "-m", "infra.codegen"], cwd=ROOT, env={**os.environ, **apps}, check=True, timeout=60)
    return folder


def judged(project: Path, text: str) -> subprocess.CompletedProcess[str]:
    (project / "src" / "use.tsx").write_text(text)
    command = ["node", "node_modules/typescript/bin/tsc", "--noEmit", "-p", "."]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120)


def test_right_calls_are_typed_through_to_their_results(project: Path) -> None:
    done = judged(project, RIGHT)
    assert done.returncode == 0, done.stdout


def test_each_wrong_call_is_refused(project: Path) -> None:
    """All in one run, each on a line of its own."""
    head = 'import type { ConvexHttpClient } from "convex/browser";\nimport { api } from "./generated/api";\n'
    lines = [f"export const wrong{number} = (client: ConvexHttpClient) => {call};" for number, call in enumerate(WRONG.values())]
    done = judged(project, head + "\n".join(lines) + "\n")
    passed = [name for number, name in enumerate(WRONG) if f"use.tsx({number + 3}," not in done.stdout]
    assert passed == [], done.stdout


def test_the_types_of_the_page_are_fresh() -> None:
    command = [sys.executable, "-m", "infra.codegen"]
    env = {name: text for name, text in os.environ.items() if name != "CONCAVE_APPS"}
    done = subprocess.run(command, cwd=ROOT, env={**env, "CHECK": "1"}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
