import { fromMarkdown } from "mdast-util-from-markdown";
import { gfmFromMarkdown } from "mdast-util-gfm";
import { gfm } from "micromark-extension-gfm";

/** GitHub's additions: tables, task lists, strikethrough, bare links. */
export const syntax = { extensions: [gfm()], mdastExtensions: [gfmFromMarkdown()] };

/** A Markdown text cut into its top-level blocks; joined, they are the text. */
export interface Blocks {
  text: string;
  blocks: readonly string[];
}

/** What further text can still change: `2` after a list is a paragraph, until `. ` makes it the list's next item. */
const OPEN = 2;

/**
 * The blocks of `text`. When it continues what `before` held, only the last blocks are parsed again, so that following a
 * reply costs in proportion to its length. The same text gives the same blocks, however it arrived.
 */
export function cut(text: string, before: Blocks = { text: "", blocks: [] }): Blocks {
  if (text === before.text) return before;
  const kept = text.startsWith(before.text) ? before.blocks.slice(0, -OPEN) : [];
  const rest = text.slice(kept.reduce((sum, block) => sum + block.length, 0));
  const starts = fromMarkdown(rest, syntax).children.map((node) => node.position?.start.offset ?? 0);
  const fresh = starts.map((start, at) => rest.slice(at ? start : 0, starts[at + 1]));
  return { text, blocks: [...kept, ...(fresh.length ? fresh : [rest])] };
}
