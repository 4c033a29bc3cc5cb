import type { PaneProps } from "../App";
import { usePolled } from "../calls";
import { clock, count, ms } from "../words";
import { Tiles } from "./Tiles";

interface State {
  version: string;
  stage: string | null;
  store: string;
  live: string;
  apps: string[];
  tables: number;
  functions: number;
  callsPerMinute: number;
  errorsPerMinute: number;
  p95: number | null;
  lastError: { at: number; path: string; request: string; error: string } | null;
  sockets: number | null;
  queries: number | null;
  jobs: { pending: number; due: number; inProgress: number; failed: number };
  tokens: { spent: number; limit: number } | null;
}

/** How the deployment is doing. */
export function Home(_: PaneProps) {
  const { value: state, problem } = usePolled<State>("overview:state", {}, 2_000);
  if (problem) return <p role="alert">{problem}</p>;
  if (!state) return <p>Looking…</p>;
  const tiles: [string, string, string?][] = [
    ["Calls a minute", count(state.callsPerMinute), "#/logs"],
    ["Errors a minute", count(state.errorsPerMinute), "#/logs"],
    ["95 % are within", ms(state.p95)],
    ["Open sockets", state.sockets === null ? "in rows" : count(state.sockets), "#/sync"],
    ["Live queries", state.queries === null ? "in rows" : count(state.queries), "#/sync"],
    ["Jobs due", count(state.jobs.due), "#/jobs"],
    ["Jobs for later", count(state.jobs.pending - state.jobs.due), "#/jobs"],
    ["Jobs that failed", count(state.jobs.failed), "#/jobs"],
    ...(state.tokens ? [["Tokens today", count(state.tokens.spent), "#/chats"] as [string, string, string]] : []),
    ["Tables", count(state.tables), "#/data"],
    ["Functions", count(state.functions), "#/functions"],
  ];
  return (
    <>
      <h1>Your backend runs.</h1>
      <p className="soft">
        Concave {state.version} on {state.store === "sqlite" ? "SQLite" : "DynamoDB"}, sockets{" "}
        {state.live === "owner" ? "in memory" : "in rows"}. Apps: {state.apps.join(", ")}.
      </p>
      <Tiles of={tiles} />
      {state.lastError && (
        <section className="card bad" aria-label="The last error">
          <h2>The last error, at {clock(state.lastError.at)}</h2>
          <p>
            <a href={`#/logs/${state.lastError.request}`}>{state.lastError.path}</a>
          </p>
          <pre>{state.lastError.error}</pre>
        </section>
      )}
      <section className="card" aria-label="Connect a client">
        <h2>Connect a client</h2>
        <pre>{`import { ConvexReactClient } from "convex/react";
const client = new ConvexReactClient("${location.origin}");`}</pre>
        <pre>{`from convex import ConvexClient
client = ConvexClient("${location.origin}")`}</pre>
      </section>
    </>
  );
}
