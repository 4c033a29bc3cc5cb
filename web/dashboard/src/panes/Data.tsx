import { useQuery } from "convex/react";
import { useEffect, useState } from "react";
import type { PaneProps } from "../App";
import { queryAt } from "../calls";
import { useSeen } from "../seen";
import { Rows } from "./Rows";

export interface TableOf {
  name: string;
  key: string[];
  fields: { name: string; type: string; optional: boolean }[];
  indexes: { name: string; partition: string[]; order: string[]; unique: boolean; readable: boolean }[];
  searches: string[];
  ttl: string | null;
}

/** Tables, and the documents of one. */
export function Data(props: PaneProps) {
  const tables = useQuery(queryAt("data:tables"), {}) as TableOf[] | undefined;
  const [wanted, setWanted] = useState("");
  const [name] = props.rest.split("/");
  const table = tables?.find((each) => each.name === name);
  const [view, setView] = useState<"rows" | "schema">("rows");
  useEffect(() => setView("rows"), [name]);
  const list = useSeen<HTMLUListElement>(name ?? "", tables !== undefined);
  if (!tables) return <p>Looking…</p>;
  const fits = tables.filter((each) => each.name.toLowerCase().includes(wanted.toLowerCase()));
  return (
    <div className="split">
      <section className="list" aria-label="Tables">
        <h1>Data</h1>
        <input aria-label="Find a table" placeholder="Find a table" value={wanted} onChange={(event) => setWanted(event.target.value)} />
        <ul ref={list}>
          {fits.map((each) => (
            <li key={each.name}>
              <a href={`#/data/${each.name}`} aria-current={each.name === name ? "true" : undefined}>
                {each.name}
              </a>
            </li>
          ))}
        </ul>
      </section>
      <section className="detail" aria-label={table ? table.name : "Documents"}>
        {!table && <p className="soft">Choose a table.</p>}
        {table && (
          <>
            <h2>{table.name}</h2>
            <div className="tabs" role="tablist" aria-label="Views of the table">
              {(["rows", "schema"] as const).map((each) => (
                <button key={each} type="button" role="tab" aria-selected={view === each} onClick={() => setView(each)}>
                  {each === "rows" ? "Documents" : "Schema"}
                </button>
              ))}
            </div>
            {view === "rows" ? <Rows key={table.name} table={table} {...props} /> : <Schema table={table} />}
          </>
        )}
      </section>
    </div>
  );
}

function Schema({ table }: { table: TableOf }) {
  return (
    <>
      <h3>Fields</h3>
      <table>
        <thead>
          <tr>
            <th scope="col">Field</th>
            <th scope="col">Type</th>
            <th scope="col">Needed</th>
          </tr>
        </thead>
        <tbody>
          {table.fields.map((field) => (
            <tr key={field.name}>
              <td>
                <code>{field.name}</code>
              </td>
              <td>
                <code>{field.type}</code>
              </td>
              <td>{field.optional ? "no" : "yes"}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <h3>Indexes</h3>
      <p className="soft">
        Looked up by {table.key.join(", ")}.{table.ttl && ` Ends at ${table.ttl}.`}
        {table.searches.length > 0 && ` Searched by ${table.searches.join(", ")}.`}
      </p>
      {table.indexes.length > 0 && (
        <table>
          <thead>
            <tr>
              <th scope="col">Index</th>
              <th scope="col">Partition</th>
              <th scope="col">Order</th>
              <th scope="col">Kind</th>
            </tr>
          </thead>
          <tbody>
            {table.indexes.map((index) => (
              <tr key={index.name}>
                <td>
                  <code>{index.name}</code>
                </td>
                <td>{index.partition.join(", ") || "the whole table"}</td>
                <td>{[...index.order, "_creationTime"].join(", ")}</td>
                <td>{index.unique ? "unique" : index.readable ? "exact" : "of sweeps"}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}
