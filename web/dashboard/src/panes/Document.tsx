import { useMutation, useQuery } from "convex/react";
import { useState } from "react";
import { Dialog } from "../../../src/components/Dialog";
import { mutationAt, queryAt, sentence, usePolled } from "../calls";
import { inline, moment, typed } from "../words";
import type { TableOf } from "./Data";
import { type Live, Queries } from "./Sync";

export type Doc = Record<string, unknown>;

/** The ids by which a document is looked up. */
export const idsOf = (table: TableOf, doc: Doc) => table.key.map((field) => doc[field]);

/** One document: its fields, who reads it now, and what can be done with it. */
export function Document(props: { table: TableOf; doc: Doc; editable: boolean; onClose: () => void; onRemove: () => void }) {
  const { table, editable } = props;
  const ids = idsOf(table, props.doc);
  const now = useQuery(queryAt("data:document"), { table: table.name, ids } as never) as Doc | null | undefined;
  const readers = usePolled<(Live & { sockets: number })[]>("sync:readers", { table: table.name, ids }, 2_000);
  const patch = useMutation(mutationAt("data:patch"));
  const [editing, setEditing] = useState<string>();
  const [text, setText] = useState("");
  const [said, setSaid] = useState("");
  const doc = now ?? props.doc;
  const save = async () => {
    try {
      await patch({ table: table.name, ids, fields: { [editing as string]: typed(text) } } as never);
      setEditing(undefined);
      setSaid("");
    } catch (error) {
      setSaid(sentence(error));
    }
  };
  return (
    <Dialog title={String(doc._id)} wide onClose={props.onClose}>
      {now === null && <p role="status">It was removed.</p>}
      {said && <p role="alert">{said}</p>}
      <dl className="fields">
        {table.fields.map(({ name, type }) => (
          <div key={name}>
            <dt>
              <code>{name}</code> <span className="soft">{type}</span>
            </dt>
            <dd>
              {editing === name ? (
                <form
                  className="bar"
                  onSubmit={(event) => {
                    event.preventDefault();
                    void save();
                  }}
                >
                  <input aria-label={name} value={text} onChange={(event) => setText(event.target.value)} spellCheck={false} />
                  <button type="submit">Save</button>
                  <button type="button" onClick={() => setEditing(undefined)}>
                    Leave it
                  </button>
                </form>
              ) : (
                <>
                  <pre>{shown(name, doc[name])}</pre>
                  {editable && now && !name.startsWith("_") && !table.key.includes(name) && (
                    <button
                      type="button"
                      aria-label={`Edit ${name}`}
                      onClick={() => {
                        setEditing(name);
                        setText(JSON.stringify(doc[name]) ?? "");
                      }}
                    >
                      Edit
                    </button>
                  )}
                </>
              )}
            </dd>
          </div>
        ))}
      </dl>
      <h3>Who reads it now</h3>
      {readers.problem && <p className="soft">{readers.problem}</p>}
      {readers.value && <Queries of={readers.value} />}
      {editable && now && (
        <button type="button" className="danger" onClick={props.onRemove}>
          Remove the document
        </button>
      )}
    </Dialog>
  );
}

/** A field's value as people read it; what is not there is said, so that it does not look like an empty text. */
function shown(name: string, value: unknown) {
  if (value === undefined || value === null) return <span className="soft">{value === null ? "null" : "not set"}</span>;
  if (value === "") return <span className="soft">an empty text</span>;
  if (name === "_creationTime") return `${value} · ${moment(value as number)}`;
  return typeof value === "object" ? JSON.stringify(value, null, 2) : inline(value);
}

/** A form for a new document, which begins with what a document must have. */
export function Adding({ table, onClose }: { table: TableOf; onClose: () => void }) {
  const insert = useMutation(mutationAt("data:insert"));
  const blank = Object.fromEntries(
    table.fields.filter((field) => !field.optional && !field.name.startsWith("_")).map((field) => [field.name, blankOf(field.type)]),
  );
  const [text, setText] = useState(JSON.stringify(blank, null, 2));
  const [said, setSaid] = useState("");
  return (
    <Dialog title={`A new document of ${table.name}`} wide onClose={onClose}>
      <form
        onSubmit={async (event) => {
          event.preventDefault();
          try {
            await insert({ table: table.name, fields: JSON.parse(text) } as never);
            onClose();
          } catch (error) {
            setSaid(sentence(error));
          }
        }}
      >
        <label>
          Its fields, as JSON
          <textarea rows={12} value={text} onChange={(event) => setText(event.target.value)} spellCheck={false} />
        </label>
        {said && <p role="alert">{said}</p>}
        <button type="submit">Add it</button>
      </form>
    </Dialog>
  );
}

function blankOf(type: string): unknown {
  if (type === "str") return "";
  if (type === "int" || type === "float") return 0;
  if (type === "bool") return false;
  return type.startsWith("list") ? [] : type.startsWith("dict") ? {} : null;
}
