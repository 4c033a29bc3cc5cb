import type { ElementContent } from "hast";
import { isValidElement, type ReactNode, Suspense, use, useMemo } from "react";
import { CopyButton } from "./CopyButton";

const highlighter = { loaded: null as Promise<typeof import("../lib/highlight")> | null };
const load = () => (highlighter.loaded ??= import("../lib/highlight"));

/** Beyond this many characters colours cost more than they help. */
const LARGEST = 20_000;

/** A block of code: its language, a way to copy it, and colours as soon as the highlighter is there. */
export function CodeBlock({ children }: { children: ReactNode }) {
  const props = isValidElement<{ className?: string; children?: ReactNode }>(children) ? children.props : {};
  const language = /language-([\w+#-]+)/.exec(props.className ?? "")?.[1] ?? "";
  const code = String(props.children ?? "").replace(/\n$/, "");
  return (
    <figure className="code">
      <figcaption>
        <span>{language || "text"}</span>
        <CopyButton text={code} label="Copy code" />
      </figcaption>
      {/* what scrolls must be reachable by keyboard */}
      <pre tabIndex={0}>
        <code>
          {language && code.length < LARGEST ? (
            <Suspense fallback={code}>
              <Coloured code={code} language={language} />
            </Suspense>
          ) : (
            code
          )}
        </code>
      </pre>
    </figure>
  );
}

function Coloured({ code, language }: { code: string; language: string }) {
  const { highlight } = use(load());
  const nodes = useMemo(() => highlight(code, language), [highlight, code, language]);
  return nodes.map(paint);
}

function paint(node: ElementContent, at: number): ReactNode {
  if (node.type === "text") return node.value;
  if (node.type !== "element") return null;
  const names = node.properties.className;
  return (
    <span key={at} className={Array.isArray(names) ? names.join(" ") : undefined}>
      {node.children.map(paint)}
    </span>
  );
}
