import type { MessageView } from "../lib/views";
import { Markdown } from "./Markdown";
import { Thinking } from "./Thinking";

/** A part of a reply as agents send it: its kind, and a text under the name of its kind. */
type Part = { type: string; text?: unknown; thinking?: unknown; name?: unknown; input?: unknown; message?: unknown };

const isPart = (part: unknown): part is Part => typeof part === "object" && part !== null && "type" in part;
const words = (value: unknown) =>
  typeof value === "string" ? value : value === undefined ? "" : JSON.stringify(value, null, 2);

/** The parts of a reply in their order: thoughts and tools folded away, text, errors. Without parts: thought, then text. */
export function Parts({ message, writing }: { message: MessageView; writing: boolean }) {
  const parts = message.completed ? (message.parts ?? []).filter(isPart) : [];
  if (!parts.some(({ type }) => type === "text")) {
    return (
      <>
        {message.reasoning && <Thinking text={message.reasoning} />}
        {parts.map((part, at) => (
          // a finished reply's parts never move
          <OnePart key={at} part={part} />
        ))}
        <Markdown text={message.content} growing={writing} />
      </>
    );
  }
  return parts.map((part, at) => (
    // a finished reply's parts never move
    <OnePart key={at} part={part} />
  ));
}

function OnePart({ part }: { part: Part }) {
  if (part.type === "text") return <Markdown text={words(part.text)} />;
  if (part.type === "thinking" || part.type === "reasoning")
    return <Thinking text={words(part.thinking ?? part.text)} />;
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
