import { useEffect, useState } from "react";
import type { PaneProps } from "../App";
import { Marked } from "../Marked";

interface Operation {
  summary?: string;
  tags?: string[];
  parameters?: { name: string; in: string; required?: boolean }[];
}

interface Described {
  info: { title: string; version: string };
  paths: Record<string, Record<string, Operation>>;
}

/** The REST interface, printed from the document that describes it. */
export function Api(_: PaneProps) {
  const [described, setDescribed] = useState<Described>();
  const [problem, setProblem] = useState("");
  const [wanted, setWanted] = useState("");
  useEffect(() => {
    fetch("/openapi.json")
      .then(async (answer) => (answer.ok ? setDescribed((await answer.json()) as Described) : setProblem(`The server answered ${answer.status}.`)))
      .catch((error) => setProblem(String(error)));
  }, []);
  const groups = new Map<string, [method: string, path: string, one: Operation][]>();
  for (const [path, methods] of Object.entries(described?.paths ?? {})) {
    for (const [method, one] of Object.entries(methods)) {
      if (!`${method} ${path} ${one.summary ?? ""}`.toLowerCase().includes(wanted.toLowerCase())) continue;
      const tag = one.tags?.[0] ?? "other";
      groups.set(tag, [...(groups.get(tag) ?? []), [method, path, one]]);
    }
  }
  return (
    <>
      <h1>API</h1>
      <p>
        <a href="/docs/api">Try it in the browser</a> · <a href="/openapi.json">openapi.json</a> · <a href="/docs">the guides</a>
      </p>
      <p className="soft">Functions are called by their paths, too: each has its curl line under Functions.</p>
      <form className="bar" onSubmit={(event) => event.preventDefault()}>
        <label>
          Find an operation
          <input value={wanted} onChange={(event) => setWanted(event.target.value)} placeholder="conversations" spellCheck={false} />
        </label>
      </form>
      {problem && <p role="alert">{problem}</p>}
      {described && groups.size === 0 && <p className="soft">No operation is called so.</p>}
      {[...groups].map(([tag, operations]) => (
        <section key={tag} aria-label={tag}>
          <h2>{tag}</h2>
          <div className="scroll" tabIndex={0} role="region" aria-label={`Operations of ${tag}`}>
            <table className="operations">
              <tbody>
                {operations.map(([method, path, one]) => (
                  <tr key={method + path}>
                    <td>
                      <b>{method.toUpperCase()}</b>
                    </td>
                    <td>
                      <code>{path}</code>
                      <div className="soft">
                        <Marked text={one.summary ?? ""} />
                      </div>
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </section>
      ))}
    </>
  );
}
