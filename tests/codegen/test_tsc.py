"""The written types under the real compiler: right calls pass, and each wrong one is an error of its own."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from infra.codegen.files import generate

ROOT = Path(__file__).parents[2]
PACKAGES = ROOT / "web" / "node_modules"
COMPILER = PACKAGES / ".bin" / "tsc"
APPS = ("chalicelib.functions", "tests.codegen.sample")

HEAD = """
import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { useAction, useMutation, usePaginatedQuery, useQuery } from "convex/react";
import type {
  DocumentByName, GenericDataModel, NamedIndex, NamedSearchIndex, NamedTableInfo, NamedVectorIndex, SearchIndexNames,
  TableNamesInDataModel, VectorIndexNames,
} from "convex/server";
import { ConvexError, type Value } from "convex/values";
import { api, type MessageView } from "./generated/api";
import type { DataModel, Doc, Id, TableName } from "./generated/dataModel";
import type { ErrorCode, ErrorData } from "./generated/errors";
declare const client: ConvexClient;
declare const http: ConvexHttpClient;
declare const sheetId: Id<"sheets">;
declare const runId: Id<"runs">;
declare const caught: ConvexError<Value>;
declare const data: ErrorData;
export const used = [useAction, useMutation, usePaginatedQuery, useQuery, client, http, sheetId, runId, caught, data, api];
export type Whole<Model extends GenericDataModel> = TableNamesInDataModel<Model>;
type Sheets = NamedTableInfo<DataModel, "sheets">;
declare const words: NamedSearchIndex<Sheets, "by_text">;
declare const look: NamedVectorIndex<Sheets, "by_look">;
export const indexes = [words, look] as const;
export type Named = [NamedIndex<Sheets, "by_owner">, SearchIndexNames<Sheets>, VectorIndexNames<Sheets>];
export type Used = [DocumentByName<DataModel, "sheets">, MessageView, Doc<"runs">, TableName, ErrorCode];
"""

RIGHT = """
const messages: MessageView[] | undefined = useQuery(api.chat.getMessages, { sessionId: "s", limit: 20 });
export const first: string | undefined = messages?.[0]?.content;
useQuery(api.chat.getMessages, "skip");
export const role: "user" | "assistant" | "system" | "tool" | undefined = messages?.[0]?.role;
const send = useMutation(api.chat.sendMessage);
export const sent: Promise<string> = send({ sessionId: "s", content: "Hello", clientKey: "1" });
send.withOptimisticUpdate((local, { sessionId }) => {
  const known = local.getQuery(api.chat.getMessages, { sessionId });
  if (known) local.setQuery(api.chat.getMessages, { sessionId }, known.slice(1));
});
const { results, loadMore } = usePaginatedQuery(api.chat.listMessages, { sessionId: "s" }, { initialNumItems: 20 });
loadMore(results[0]?.sequence ?? 1);
export const sheets: Doc<"sheets">[] = usePaginatedQuery(api.sample.pages, {}, { initialNumItems: 2 }).results;
export const made: Promise<Id<"sheets">> = useMutation(api.sample.add)({
  owner: "ada", colours: ["red"], copies: 3n, scan: new ArrayBuffer(2), either: "x", must: null, code2D: "a",
  outline: { corners: [{ fromLeft: 1 }, { fromLeft: 2, label: "end" }], inner: { corners: [] } },
});
export const nothing: Promise<null> = useMutation(api.sample.nothing)();
export const top: Promise<number | undefined> = http.action(api.sample.shapes, { required: null }).then(
  ({ content }) => content[0]?.corners[0]?.fromTop,
);
client.onUpdate(api.sample.get, { sheetId }, (sheet) => sheet?.copies === 2n && sheet._id === sheetId);
export const text: string = sheetId;
export const told = (caught.data as ErrorData).code === "SessionNotFound" ? data.message : data.field;
export const table: TableName = "chatMessages";
export const code: ErrorCode = "Torn";
export type All = Whole<DataModel>;
export const searchField: "owner" = words.searchField;
export const filterFields: ("colour" | "kind")[] = [words.filterFields];
export const dimensions: 3 = look.dimensions;
export const vectorField: "look" = look.vectorField;
export const noFilter: never[] = [look.filterFields];
export const searched: SearchIndexNames<Sheets> = "by_text";
export const compared: VectorIndexNames<Sheets> = "by_look";
export const along: NamedIndex<Sheets, "by_owner"> = ["owner", "_creationTime"];
export const owner = (sheet: DocumentByName<DataModel, "sheets">): string => sheet.owner;
export const messagesBy: SearchIndexNames<NamedTableInfo<DataModel, "chatMessages">> = "by_words";
"""

WRONG = {
    "an unknown argument": 'useQuery(api.chat.getMessages, { sessionId: "s", limits: 3 });',
    "an argument of another type": 'useQuery(api.chat.getMessages, { sessionId: "s", limit: "20" });',
    "a missing argument": "useQuery(api.chat.getMessages, { limit: 20 });",
    "no arguments at all": "useQuery(api.chat.getMessages);",
    "an unknown function": "useQuery(api.chat.getMessage, {});",
    "an internal function": "useQuery(api.sample.hidden, {});",
    "a mutation asked as a query": 'useQuery(api.chat.stop, { sessionId: "s" });',
    "a query called as a mutation": "useMutation(api.chat.getMessages);",
    "a result taken for another type": 'export const n: number | undefined = useQuery(api.chat.getSession, { sessionId: "s" });',
    "a field that is not there": 'useQuery(api.chat.getMessages, { sessionId: "s" })?.[0]?.text;',
    "an optional field taken for granted": 'http.query(api.chat.getSession, { sessionId: "s" }).then((s) => s!.model.length);',
    "a word outside of a literal": 'useMutation(api.sample.add)({ owner: "a", colours: ["green"] });',
    "a number for a bigint": 'useMutation(api.sample.add)({ owner: "a", colours: [], copies: 3 });',
    "a field missing deep in a struct": 'useMutation(api.sample.add)({ owner: "a", colours: [], outline: { corners: [{}] } });',
    "the id of another table": "useQuery(api.sample.get, { sheetId: runId });",
    "a string for an id": 'useQuery(api.sample.get, { sheetId: "s" });',
    "a query without pages as pages": "usePaginatedQuery(api.chat.getMessages, {}, { initialNumItems: 2 });",
    "pages without their argument": "usePaginatedQuery(api.chat.listMessages, {}, { initialNumItems: 2 });",
    "arguments where there are none": "useMutation(api.sample.nothing)({ sheetId });",
    "an unknown code": 'data.code === "SessionLost";',
    "a search by an index of another kind": 'export const name: SearchIndexNames<Sheets> = "by_look";',
    "a vector index that is not there": 'export const name: VectorIndexNames<Sheets> = "by_text";',
    "a filter that no search takes": 'export const field: typeof words.filterFields = "owner";',
    "other dimensions": "export const dimensions: 4 = look.dimensions;",
    "a table that is not searched": 'export type None = NamedSearchIndex<NamedTableInfo<DataModel, "runs">, "by_words">;',
    "a search of a table that has none": 'export const name: SearchIndexNames<NamedTableInfo<DataModel, "runs">> = "by_words";',
    "an unknown table": 'export const table: TableName = "notes";',
}


@pytest.fixture(scope="module")
def errors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The compiler's errors by file, of one run over all snippets."""
    if shutil.which("node") is None or not COMPILER.exists():
        pytest.skip("the compiler comes with `npm ci` in web, which needs Node")
    folder = tmp_path_factory.mktemp("tsc")
    (folder / "node_modules").symlink_to(PACKAGES)
    (folder / "generated").mkdir()
    for name, text in generate(APPS).items():
        (folder / "generated" / name).write_text(text)
    (folder / "right.ts").write_text(HEAD + RIGHT)
    for number, snippet in enumerate(WRONG.values()):
        (folder / f"wrong{number}.ts").write_text(HEAD + snippet + "\n")
    options = json.loads((ROOT / "web" / "tsconfig.json").read_text())["compilerOptions"]
    (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": {**options, "types": []}, "include": ["."]}))
    done = subprocess.run([COMPILER, "--noEmit"], cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    found: dict[str, list[str]] = {}
    for file, line, error in re.findall(r"^(\S+?)\((\d+),\d+\): (error TS.*)$", done.stdout, re.M):
        found.setdefault(file, []).append(f"{int(line) - HEAD.count(chr(10))}: {error}")
    assert done.returncode, done.stdout
    return found


def test_right_calls_pass_and_their_results_are_typed(errors: dict[str, list[str]]) -> None:
    assert errors.get("right.ts", []) == []


def test_the_written_files_pass_the_strictest_settings(errors: dict[str, list[str]]) -> None:
    assert [file for file in errors if file.startswith("generated")] == []


@pytest.mark.parametrize("mistake", WRONG)
def test_the_compiler_refuses(errors: dict[str, list[str]], mistake: str) -> None:
    found = errors.get(f"wrong{list(WRONG).index(mistake)}.ts", [])
    assert found, f"{WRONG[mistake]} passed"
    assert all(error.startswith("1: ") for error in found), found
