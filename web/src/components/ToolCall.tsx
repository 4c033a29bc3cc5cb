import { CircleCheck, CircleDashed, CircleSlash, TriangleAlert } from "lucide-react";
import { type Tool, words } from "../lib/tools";
import { Diff } from "./Diff";

const STATE = { running: "running", done: "done", failed: "failed", stopped: "not finished" } as const;
const ICON = { running: CircleDashed, done: CircleCheck, failed: TriangleAlert, stopped: CircleSlash } as const;

/** A tool that an agent used: what it is doing in one line, and what was asked and answered folded away. */
export function ToolCall({ tool }: { tool: Tool }) {
  const Icon = ICON[tool.state];
  return (
    <details className="fold tool" data-state={tool.state}>
      <summary>
        <Icon aria-hidden="true" size={14} /> <b>{tool.name}</b>{" "}
        {tool.title !== tool.name && <span className="title">{tool.title}</span>}{" "}
        <span className="spoken">{STATE[tool.state]}</span>
      </summary>
      <Piece name="Asked" value={tool.input} />
      {typeof tool.diff === "string" ? (
        <div>
          <h3>Changed</h3>
          <Diff text={tool.diff} />
        </div>
      ) : (
        <Piece name="Changed" value={tool.diff} />
      )}
      <Piece name="Answered" value={tool.output} />
    </details>
  );
}

function Piece({ name, value }: { name: string; value: unknown }) {
  const text = words(value);
  if (!text) return null;
  return (
    <div>
      <h3>{name}</h3>
      {/* what is wide scrolls, and what scrolls is reached by keyboard */}
      <pre tabIndex={0}>{text}</pre>
    </div>
  );
}
