import type { MessageView } from "../lib/views";
import { isTool, type Tool, withTools, words } from "../lib/tools";
import { Markdown } from "./Markdown";
import { Plan } from "./Plan";
import { Thinking } from "./Thinking";
import { ToolCall } from "./ToolCall";

/** A part of a reply as agents send it: its kind, and a text under the name of its kind. */
type Part = { type: string; text?: unknown; thinking?: unknown; name?: unknown; input?: unknown; message?: unknown; entries?: unknown };

const isPart = (part: unknown): part is Part => typeof part === "object" && part !== null && "type" in part;

/** The parts of a reply in their order: thoughts and tools folded away, text, errors. Without parts: thought, then text. */
export function Parts({ message, writing }: { message: MessageView; writing: boolean }) {
  const parts = withTools((message.completed || writing ? (message.parts ?? []) : []).filter(isPart), message.completed);
  if (!parts.some(({ type }) => type === "text")) {
    return (
      <>
        {message.reasoning && <Thinking text={message.reasoning} />}
        {parts.map((part, at) => (
          // parts are only added at the end
          <OnePart key={at} part={part} growing={false} />
        ))}
        <Markdown text={message.content} growing={writing} />
      </>
    );
  }
  return parts.map((part, at) => (
    // parts are only added at the end
    <OnePart key={at} part={part} growing={writing && at === parts.length - 1} />
  ));
}

function OnePart({ part, growing }: { part: Part | Tool; growing: boolean }) {
  if (isTool(part)) return <ToolCall tool={part} />;
  if (part.type === "text") return <Markdown text={words(part.text)} growing={growing} />;
  if (part.type === "thinking" || part.type === "reasoning")
    return <Thinking text={words(part.thinking ?? part.text)} />;
  if (part.type === "plan") return <Plan part={part} />;
  if (part.type === "error")
    return (
      <p className="ending" data-failed>
        {words(part.message ?? part.text)}
      </p>
    );
  return (
    <details className="fold">
      <summary>{words(part.name) || part.type}</summary>
      <pre>{words(part.input ?? part.text ?? part)}</pre>
    </details>
  );
}
