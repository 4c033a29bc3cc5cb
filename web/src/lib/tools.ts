/** A call of a tool with its answer, put together from the parts that tell of it. */
export interface Tool {
  type: "tool";
  id: string;
  name: string;
  title: string;
  state: "running" | "done" | "failed" | "stopped";
  input?: unknown;
  output?: unknown;
  diff?: unknown;
}

type Part = { type: string; [name: string]: unknown };

export const isTool = (part: { type: string }): part is Tool => part.type === "tool" && "state" in part;

/** Whether a part of a message is a call of a tool. */
export const isCall = (part: unknown): boolean =>
  typeof part === "object" && part !== null && "type" in part && part.type === "tool_call";

/** A value as text: as it is, or as JSON. */
export const words = (value: unknown) =>
  typeof value === "string" ? value : value === undefined ? "" : JSON.stringify(value, null, 2);

/** Parts in their order, each call of a tool in one with its answer: it stands where it was called.
 *
 * @param over - nothing more is said: a call without an answer was stopped with its reply.
 */
export function withTools<P extends Part>(parts: readonly P[], over: boolean): (P | Tool)[] {
  const found: (P | Tool)[] = [];
  const calls = new Map<unknown, Tool>();
  for (const part of parts) {
    if (part.type !== "tool_call" && part.type !== "tool_result") found.push(part);
    else if (calls.has(part.id)) change(calls.get(part.id) as Tool, part);
    else {
      const tool = begun(part);
      calls.set(part.id, tool);
      found.push(tool);
    }
  }
  for (const tool of calls.values()) if (over && tool.state === "running") tool.state = "stopped";
  return found;
}

function begun(part: Part): Tool {
  const name = words(part.name) || "Tool";
  const tool: Tool = { type: "tool", id: words(part.id), name, title: words(part.title) || name, state: "running" };
  change(tool, part);
  return tool;
}

function change(tool: Tool, part: Part): void {
  if (part.title !== undefined) tool.title = words(part.title);
  if (part.input !== undefined) tool.input = part.input;
  if (part.diff !== undefined) tool.diff = part.diff;
  if (part.type === "tool_result") {
    tool.output = part.content ?? part.text;
    tool.state = part.isError ? "failed" : "done";
  } else if (part.status === "failed") tool.state = "failed";
  else if (part.status === "completed") tool.state = "done";
}
