import { ConvexError } from "convex/values";
import type { MessageView } from "./views";

/** An error in words for people. The server's own sentence where a rule spoke; otherwise what can be said honestly. */
export function explain(problem: unknown): string {
  if (problem instanceof ConvexError) {
    const data: unknown = problem.data;
    if (typeof data === "string") return data;
    if (typeof data === "object" && data !== null && "message" in data) return String(data.message);
  }
  if (problem instanceof TypeError) return "The server cannot be reached. Check the connection and try again.";
  const text = problem instanceof Error ? problem.message : "";
  const said = /Server Error\s*\n(?:Uncaught \w+: )?(.+)/.exec(text)?.[1];
  return said ?? (text && !text.includes("Server Error") ? text : "Something went wrong on the server. Try again.");
}

const FAILURES: Record<string, string> = {
  overloaded: "The model is overloaded right now. Try again in a moment.",
  rate_limited: "Too many requests at once. Try again in a minute.",
  model_error: "The model had a problem. Try again.",
  timeout: "The model did not answer in time. Try again.",
  connection: "The connection to the model broke. Try again.",
  truncated: "The reply broke off before its end. Try again.",
  deadline: "The reply took too long and was ended.",
  invalid_request: "The model did not accept this request. It may name a model that does not exist.",
  unauthorized: "The server has no valid key for the model. Its operator has to set one.",
  mcp_error: "A server of tools could not be used. Its operator has to look at its settings.",
  too_large: "The conversation has grown too long for the model. Start a new session.",
  refused: "The model declined to answer this.",
};

const NOTES: Record<string, string> = {
  max_tokens: "The reply reached its length limit and ends here.",
  refusal: "The model declined to go on.",
  stopped: "Stopped. What was written stays.",
  "interrupted by a newer message": "Interrupted by the next message. What was written stays.",
};

/** How a reply ended, when that needs saying; null for an ordinary end. */
export function ending({ status, reason = "" }: MessageView): { text: string; failed: boolean } | null {
  if (status === "failed") return { text: FAILURES[reason] ?? "The reply failed. Try again.", failed: true };
  if (status === "interrupted")
    return { text: "The server went down while writing. What had arrived is kept.", failed: true };
  if (status === "aborted") return { text: NOTES[reason] ?? `Stopped: ${reason || "by the server"}.`, failed: false };
  return NOTES[reason] ? { text: NOTES[reason], failed: false } : null;
}
