import { memo, useState } from "react";
import ReactMarkdown, { type Components } from "react-markdown";
import rehypeSanitize from "rehype-sanitize";
import type { Processor } from "unified";
import { cut, syntax } from "../lib/blocks";
import { CodeBlock } from "./CodeBlock";

/** The same syntax for blocks as for what is in them; `remark-gfm` would bring a writer of Markdown along. */
function additions(this: Processor) {
  Object.assign(this.data(), {
    micromarkExtensions: syntax.extensions,
    fromMarkdownExtensions: syntax.mdastExtensions,
  });
}

const remark = [additions];
const rehype = [rehypeSanitize];

const components: Components = {
  pre: ({ children }) => <CodeBlock>{children}</CodeBlock>,
  a: ({ href, children }) => (
    <a href={href} target="_blank" rel="noopener noreferrer">
      {children}
    </a>
  ),
  // An image that loads by itself would tell its host who reads what; it becomes a link.
  img: ({ src, alt }) => (
    <a href={typeof src === "string" ? src : undefined} target="_blank" rel="noopener noreferrer">
      {alt || "image"}
    </a>
  ),
  // A reply's headings stand below the page's own.
  h1: ({ children }) => <h4 className="h1">{children}</h4>,
  h2: ({ children }) => <h4 className="h2">{children}</h4>,
  h3: ({ children }) => <h5>{children}</h5>,
  h4: ({ children }) => <h6>{children}</h6>,
  h5: ({ children }) => <h6>{children}</h6>,
  table: ({ children }) => (
    // what scrolls must be reachable by keyboard
    <section className="table" tabIndex={0} aria-label="Table">
      <table>{children}</table>
    </section>
  ),
};

/** One block; while a reply grows, those before its end are not touched again. */
const Block = memo(function Block({ text }: { text: string }) {
  return (
    <ReactMarkdown remarkPlugins={remark} rehypePlugins={rehype} components={components}>
      {text}
    </ReactMarkdown>
  );
});

/** What a model wrote, as formatted text. HTML in it is dropped. `growing`: more will come. */
export function Markdown({ text, growing = false }: { text: string; growing?: boolean }) {
  const [kept, keep] = useState(() => cut(text));
  const now = cut(text, kept);
  if (now !== kept) keep(now);
  return (
    <div className="prose" data-growing={growing || undefined} dir="auto">
      {now.blocks.map((block, at) => (
        // blocks are only added at the end
        <Block key={at} text={block} />
      ))}
    </div>
  );
}
