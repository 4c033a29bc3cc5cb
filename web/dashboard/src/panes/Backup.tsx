import { useState } from "react";
import type { PaneProps } from "../App";

interface Told {
  lines: Record<string, unknown>[];
  well: boolean;
}

/** Upkeep of the data: check it, compare indexes, erase an org; where copies come from. */
export function Backup({ session }: PaneProps) {
  const [busy, setBusy] = useState("");
  const [told, setTold] = useState<{ of: string; found: Told }>();
  const [said, setSaid] = useState("");
  const [org, setOrg] = useState("");
  const [again, setAgain] = useState("");
  const run = async (of: string, command: string, args: Record<string, unknown>) => {
    setBusy(of);
    setSaid("");
    setTold(undefined);
    try {
      const answer = await fetch("/_/admin", {
        method: "POST",
        headers: { authorization: `Convex ${session.key}`, "content-type": "application/json" },
        body: JSON.stringify({ command, arguments: args }),
      });
      const found = (await answer.json()) as Told & { message?: string };
      if (answer.ok) setTold({ of, found });
      else setSaid(found.message ?? `The server answered ${answer.status}.`);
    } catch (error) {
      setSaid(String(error));
    }
    setBusy("");
  };
  const may = session.role === "edit" && !busy;
  const missing = org === "" ? "First write its name." : again === "" ? "Write its name once more." : org === again ? "" : "The two names differ.";
  return (
    <>
      <h1>Backup</h1>
      <section className="card" aria-label="Copies">
        <h2>Copies</h2>
        <p>While everybody works, from a terminal in the project's folder:</p>
        <pre>{"concave backup FOLDER     # the database with its keys, at one instant\nconcave export FILE       # all documents as lines of JSON\nconcave import FILE       # bring them in again, here or elsewhere"}</pre>
      </section>
      <section className="card" aria-label="Look over the data">
        <h2>Look over the data</h2>
        <p className="soft">Documents are compared with what their tables declare, and indexes with the documents in them.</p>
        <div className="bar">
          <button type="button" disabled={!may} onClick={() => run("Check", "check", {})}>
            Check documents
          </button>
          <button type="button" disabled={!may} onClick={() => run("Indexes", "indexes", { audit: true })}>
            Compare indexes
          </button>
          {session.role === "read" && <span className="soft">Your key may only read.</span>}
        </div>
      </section>
      {session.role === "edit" && (
        <form
          className="card"
          aria-label="Erase an org"
          onSubmit={(event) => {
            event.preventDefault();
            void run(`Erased ${org}`, "erase", { org, yes: again });
          }}
        >
          <h2>Erase an org</h2>
          <p className="soft">Everything that any table holds of it, for good; the receipt counts it. Its sockets are closed.</p>
          <div className="bar">
            <label>
              Its name
              <input value={org} onChange={(event) => setOrg(event.target.value)} required spellCheck={false} autoComplete="off" />
            </label>
            <label>
              Its name once more
              <input value={again} onChange={(event) => setAgain(event.target.value)} required spellCheck={false} autoComplete="off" />
            </label>
            <button type="submit" className="danger" disabled={!may || missing !== ""} aria-describedby={missing && "erase-missing"}>
              Erase it
            </button>
            {missing && (
              <span className="soft" id="erase-missing">
                {missing}
              </span>
            )}
          </div>
        </form>
      )}
      {busy && <p role="status">{busy}: working…</p>}
      {said && <p role="alert">{said}</p>}
      {told && (
        <section className="card" aria-label="What was found" role="status">
          <h2>
            {told.of}: {told.found.well ? "all is well" : "not all is well"}
          </h2>
          {told.found.lines.length === 0 ? (
            <p className="soft">Nothing to tell.</p>
          ) : (
            <pre>{told.found.lines.map((line) => JSON.stringify(line)).join("\n")}</pre>
          )}
        </section>
      )}
    </>
  );
}
