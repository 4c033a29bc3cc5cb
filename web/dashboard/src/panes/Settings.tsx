import { useQuery } from "convex/react";
import { useState } from "react";
import type { PaneProps } from "../App";
import { queryAt, sentence, usePolled } from "../calls";
import { Marked } from "../Marked";

interface Setting {
  name: string;
  value: string | null;
  source: string;
  default: string;
  what: string;
}

/** Every knob of the process, and the app's own variables. */
export function Settings({ session }: PaneProps) {
  const { value, problem } = usePolled<Setting[]>("overview:settings", {}, 0);
  const variables = useQuery(queryAt("cli/queryEnvironmentVariables"), {}) as { name: string; value: string }[] | undefined;
  const [name, setName] = useState("");
  const [text, setText] = useState("");
  const [said, setSaid] = useState("");
  const change = async (which: string, to: string | null) => {
    const answer = await fetch("/api/update_environment_variables", {
      method: "POST",
      headers: { authorization: `Convex ${session.key}`, "content-type": "application/json" },
      body: JSON.stringify({ changes: [{ name: which, value: to }] }),
    });
    setSaid(answer.ok ? "" : sentence(((await answer.json()) as { message: string }).message));
    if (answer.ok && to !== null) {
      setName("");
      setText("");
    }
  };
  return (
    <>
      <h1>Settings</h1>
      <section className="card" aria-label="The app's variables">
        <h2>The app's variables</h2>
        <p className="soft">
          Functions read them as <code>ctx.env</code>; a change reaches live queries at once.
        </p>
        <table hidden={!variables?.length}>
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">Value</th>
              <th scope="col">
                <span className="unseen">Remove</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {variables?.map((each) => (
              <tr key={each.name}>
                <td>
                  <code>{each.name}</code>
                </td>
                <td className="cut">{each.value}</td>
                <td>
                  {session.role === "edit" && (
                    <button type="button" onClick={() => change(each.name, null)} aria-label={`Remove ${each.name}`}>
                      Remove
                    </button>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
        {variables?.length === 0 && <p className="soft">None yet.</p>}
        {session.role === "edit" && (
          <form
            className="bar"
            onSubmit={(event) => {
              event.preventDefault();
              void change(name, text);
            }}
          >
            <label>
              Name
              <input value={name} onChange={(event) => setName(event.target.value)} required spellCheck={false} />
            </label>
            <label>
              Value
              <input value={text} onChange={(event) => setText(event.target.value)} spellCheck={false} />
            </label>
            <button type="submit">Set</button>
          </form>
        )}
        {said && <p role="alert">{said}</p>}
      </section>
      <section aria-label="Settings of the process">
        <h2>Settings of the process</h2>
        {problem && <p role="alert">{problem}</p>}
        <div className="scroll" tabIndex={0} role="region" aria-label="Settings">
          <table>
            <thead>
              <tr>
                <th scope="col">Variable</th>
                <th scope="col">Value</th>
                <th scope="col">Source</th>
                <th scope="col">What it is</th>
              </tr>
            </thead>
            <tbody>
              {value?.map((each) => (
                <tr key={each.name} className={each.source === "environment" ? "set" : undefined}>
                  <td>
                    <code>{each.name}</code>
                  </td>
                  <td>{each.value ?? <span className="soft"><Marked text={each.default} /></span>}</td>
                  <td>{each.source}</td>
                  <td className="soft"><Marked text={each.what} /></td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </section>
    </>
  );
}
