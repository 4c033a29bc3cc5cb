"""The cutting of Markdown into blocks: the same text gives the same blocks, in whatever chunks it arrived."""

from __future__ import annotations

from pathlib import Path

from tests.web.bundled import told_by

DRIVER = r"""
import { cut } from "./blocks.js";

const PARTS = [
  "# Head\n", "text ", "more\ntext", "\n\n", "\n", "- one\n", "- two\n\n", "1. a\n\n", "2. b\n", "```py\n", "x = 1\n", "```\n",
  "| a | b |\n", "|---|---|\n", "| 1 | 2 |\n", "> said\n", "    code\n", "---\n", "===\n", "<b>html</b>\n",
  "**bold", "** and `code`", "[x](y)", "  in", "\t",
];
let state = 7; // the same texts every time
const random = (n) => {
  state = (state * 1103515245 + 12345) % 2147483648;
  return Math.floor((state / 2147483648) * n);
};

let blocks = 0;
for (let round = 0; round < 500; round++) {
  let text = "";
  for (let part = random(14) + 1; part > 0; part--) text += PARTS[random(PARTS.length)];
  let grown;
  for (let at = 0; at < text.length; ) {
    at = Math.min(text.length, at + 1 + random(6));
    grown = cut(text.slice(0, at), grown);
  }
  const whole = cut(text);
  blocks += whole.blocks.length;
  for (const each of [grown, whole]) if (each.blocks.join("") !== text) throw new Error(`lost text: ${JSON.stringify(each)}`);
  if (JSON.stringify(grown) !== JSON.stringify(whole)) {
    throw new Error(`${JSON.stringify(text)}\n grown ${JSON.stringify(grown.blocks)}\n whole ${JSON.stringify(whole.blocks)}`);
  }
}
let grown, started = performance.now();
const long = "A paragraph of some words.\n\n".repeat(1500);
for (let at = 0; at < long.length; at += 60) grown = cut(long.slice(0, at), grown);
console.log(JSON.stringify({ blocks, ms: performance.now() - started }));
"""


def test_text_that_grows_is_cut_like_text_that_is_there(tmp_path: Path) -> None:
    """500 random texts in random chunks; and 40,000 characters in 700 chunks are no work."""
    print(told_by(tmp_path, "blocks", DRIVER))
