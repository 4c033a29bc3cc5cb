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

/** What was refused: the server's field, where it names one, and the sentence. */
export interface Refusal {
  field: string | null;
  text: string;
}

export function refusalOf(problem: unknown): Refusal {
  const data: unknown = problem instanceof ConvexError ? problem.data : null;
  const field = typeof data === "object" && data !== null && "field" in data ? data.field : null;
  if (typeof field === "string") return { field, text: explain(problem) };
  return misfit(problem) ?? { field: null, text: explain(problem) };
}

/** An argument of another type or length than the function takes: `Path: .config.name` names it. */
function misfit(problem: unknown): Refusal | null {
  const text = problem instanceof Error ? problem.message : "";
  const rule = /ArgumentValidationError: (.+)\nPath: \.(?:config\.)?(\S+)/.exec(text);
  if (!rule?.[1] || !rule[2]) return null;
  const length = /of length (<=|>=) (\d+)/.exec(rule[1]);
  const words = length && `This needs ${length[1] === "<=" ? "at most" : "at least"} ${length[2]} characters.`;
  return { field: rule[2], text: words ?? rule[1] };
}

const FAILURES: Record<string, string> = {
  overloaded: "The model is overloaded right now. Try again in a moment.",
  circuit_open: "The model has failed several times in a row. Try again in half a minute.",
  rate_limited: "Too many requests at once. Try again in a minute.",
  model_error: "The model had a problem. Try again.",
  timeout: "The model did not answer in time. Try again.",
  connection: "The connection to the model broke. Try again.",
  truncated: "The reply broke off before its end. Try again.",
  deadline: "The reply took too long and was ended.",
  invalid_request: "The model did not accept this request. It may name a model that does not exist.",
  unauthorized: "The server has no valid key for the model. Its operator has to set one.",
  max_turns: "The model used tools again and again, and was stopped. Say what is still missing.",
  mcp_error: "A server of tools could not be used. Its operator has to look at its settings.",
  too_large: "The conversation has grown too long for the model. Start a new session.",
  refused: "The model declined to answer this.",
  worker_offline: "The machine was away for too long, so this was not answered. Send it again when it is back.",
  worker_not_shared: "The machine is not shared with you any more.",
  agent_crashed: "The agent on the machine ended in the middle. Try again: it is started anew.",
  agent_error: "The agent on the machine had a problem. Try again.",
  agent_not_found: "The machine does not have this agent any more. Install it there, or start a chat with another one.",
  permission_denied: "The agent asked again and again for what was denied, and was stopped.",
  worker_stopped: "The worker was stopped on its machine.",
};

const NOTES: Record<string, string> = {
  max_tokens: "The reply reached its length limit and ends here.",
  refusal: "The model declined to go on.",
  stopped: "Stopped. What was written stays.",
  "interrupted by a newer message": "Interrupted by the next message. What was written stays.",
};

const RUNS: Record<string, string> = {
  BudgetExceeded: "What may be spent on the model today is spent.",
  TaskBusy: "Another agent was at work.",
};

/** How a reply ended, when that needs saying; null for an ordinary end. */
export function ending({ status, reason = "" }: MessageView): { text: string; failed: boolean } | null {
  if (status === "failed") return { text: FAILURES[reason] ?? "The reply failed. Try again.", failed: true };
  if (status === "interrupted") {
    const who = reason.startsWith("the worker") ? "The worker was started again or went away" : "The server went down";
    return { text: `${who} while writing. What had arrived is kept.`, failed: true };
  }
  if (status === "aborted") return { text: NOTES[reason] ?? `Stopped: ${reason || "by the server"}.`, failed: false };
  return NOTES[reason] ? { text: NOTES[reason], failed: false } : null;
}

/** Why an agent's run ended as it did, in words; its state alone says the rest. */
export function cause(reason: string | undefined): string | null {
  if (!reason || reason === "stopped") return null;
  return FAILURES[reason] ?? NOTES[reason] ?? RUNS[reason] ?? reason;
}
