import type { ElementContent } from "hast";
import bash from "highlight.js/lib/languages/bash";
import css from "highlight.js/lib/languages/css";
import diff from "highlight.js/lib/languages/diff";
import go from "highlight.js/lib/languages/go";
import java from "highlight.js/lib/languages/java";
import javascript from "highlight.js/lib/languages/javascript";
import json from "highlight.js/lib/languages/json";
import markdown from "highlight.js/lib/languages/markdown";
import python from "highlight.js/lib/languages/python";
import rust from "highlight.js/lib/languages/rust";
import sql from "highlight.js/lib/languages/sql";
import typescript from "highlight.js/lib/languages/typescript";
import xml from "highlight.js/lib/languages/xml";
import yaml from "highlight.js/lib/languages/yaml";
import { createLowlight } from "lowlight";

const languages = { bash, css, diff, go, java, javascript, json, markdown, python, rust, sql, typescript, xml, yaml };
const lowlight = createLowlight(languages);
lowlight.registerAlias({ bash: ["shell", "console"], typescript: ["tsx"], javascript: ["jsx"] });

/** The code as coloured tokens; a language that is not known stays plain. Loaded with the first block of code. */
export function highlight(code: string, language: string): ElementContent[] {
  if (!lowlight.registered(language)) return [{ type: "text", value: code }];
  return lowlight.highlight(language, code).children as ElementContent[];
}
