import { Markdown } from "./Markdown";

/** What the model thought before it spoke, folded away. */
export function Thinking({ text }: { text: string }) {
  return (
    <details className="fold">
      <summary>Thought about it</summary>
      <Markdown text={text} />
    </details>
  );
}
