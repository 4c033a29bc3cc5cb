const KINDS: [RegExp, string][] = [
  [/^(\+\+\+|---|Index:|={3,}|diff )/, "file"],
  [/^@@/, "place"],
  [/^\+/, "added"],
  [/^-/, "removed"],
];

/** A unified diff, each line marked: by colour, and by the sign before it for who sees none. */
export function Diff({ text }: { text: string }) {
  return (
    // what is wide scrolls, and what scrolls is reached by keyboard
    <pre tabIndex={0} className="diff">
      {text.split("\n").map((line, at) => (
        <span key={at} data-line={KINDS.find(([begins]) => begins.test(line))?.[1]}>
          {`${line}\n`}
        </span>
      ))}
    </pre>
  );
}
