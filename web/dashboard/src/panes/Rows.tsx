import { useConvex, useMutation, useQuery } from "convex/react";
import { useEffect, useState } from "react";
import { Dialog } from "../../../src/components/Dialog";
import type { PaneProps } from "../App";
import { mutationAt, queryAt, sentence, usePolled } from "../calls";
import { Heads } from "../Heads";
import { inline, moment, typed } from "../words";
import type { TableOf } from "./Data";
import { type Live, Queries } from "./Sync";

type Doc = Record<string, unknown>;
interface Page {
  page: Doc[];
  isDone: boolean;
  continueCursor: string;
}

const PAGE = 50;
/** So often documents of no index are asked for again: on DynamoDB each time is paid, up to a thousand documents of a large table. */
const REFRESH_MS = { sqlite: 2_000, elsewhere: 30_000 };

/** The ids by which a document is looked up. */
const idsOf = (table: TableOf, doc: Doc) => table.key.map((field) => doc[field]);

/** The documents of a table: of one partition of an index, live; or all of the org's, asked again and again. */
export function Rows({ table, session, acting }: PaneProps & { table: TableOf }) {
  const [index, setIndex] = useState("");
  const [values, setValues] = useState<string[]>([]);
  const [cursors, setCursors] = useState<(string | null)[]>([null]);
  const [tick, setTick] = useState(0);
  const [open, setOpen] = useState<Doc>();
  const [adding, setAdding] = useState(false);
  const [said, setSaid] = useState("");
  const [removed, setRemoved] = useState<Doc>();
  const client = useConvex();
  const remove = useMutation(mutationAt("data:remove"));
  const restore = useMutation(mutationAt("data:restore"));
  const refresh = session.store === "sqlite" ? REFRESH_MS.sqlite : REFRESH_MS.elsewhere;
  const chosen = table.indexes.find((each) => each.name === index);
  const whole = chosen === undefined || values.filter(Boolean).length === chosen.partition.length;
  const cursor = cursors[cursors.length - 1] ?? null;
  const args = {
    table: table.name,
    paginationOpts: { numItems: PAGE, cursor },
    ...(chosen && whole ? { index, values: values.slice(0, chosen.partition.length).map(typed) } : {}),
  };
  const live = useQuery(queryAt("data:documents"), chosen && whole ? args : "skip") as Page | undefined;
  const [polled, setPolled] = useState<Page>();
  const asked = JSON.stringify([args, acting.org]);
  // What is asked is in `asked`; a tick asks again.
  useEffect(() => {
    if (chosen) return;
    let over = false;
    client
      .query(queryAt("data:documents"), args)
      .then((page) => !over && setPolled(page as Page))
      .catch((error) => !over && setSaid(sentence(error)));
    const timer = setTimeout(() => setTick((before) => before + 1), refresh);
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [asked, tick]);
  const page = chosen ? live : polled;
  const columns = ["_id", ...table.fields.map((field) => field.name).filter((name) => !name.startsWith("_")), "_creationTime"];
  const choose = (name: string) => {
    setIndex(name);
    setValues([]);
    setCursors([null]);
  };
  const take = async (doc: Doc) => {
    try {
      setRemoved((await remove({ table: table.name, ids: idsOf(table, doc) } as never)) as Doc); // as it was by then
      setOpen(undefined);
      setSaid("");
    } catch (error) {
      setSaid(sentence(error));
    }
  };
  return (
    <>
      <form className="bar" onSubmit={(event) => event.preventDefault()}>
        <label>
          By
          <select value={index} onChange={(event) => choose(event.target.value)}>
            <option value="">all documents</option>
            {table.indexes
              .filter((each) => each.readable)
              .map((each) => (
                <option key={each.name}>{each.name}</option>
              ))}
          </select>
        </label>
        {chosen?.partition.map((field, at) => (
          <label key={field}>
            {field}
            <input
              value={values[at] ?? ""}
              onChange={(event) => setValues((before) => Object.assign([...before], { [at]: event.target.value }))}
              spellCheck={false}
            />
          </label>
        ))}
        {session.role === "edit" && (
          <button type="button" onClick={() => setAdding(true)}>
            Add a document
          </button>
        )}
      </form>
      <p className="soft">
        {chosen
          ? `Live. A page of ${PAGE} reads ${PAGE} index entries and ${PAGE} documents.`
          : `Asked again every ${refresh / 1000} seconds; by an index it is live.`}
      </p>
      {said && <p role="alert">{said}</p>}
      {removed && (
        <p role="status" className="card">
          Removed {String(removed._id)}.{" "}
          <button
            type="button"
            onClick={async () => {
              await restore({ table: table.name, document: removed as never });
              setRemoved(undefined);
            }}
          >
            Undo
          </button>
        </p>
      )}
      {chosen && !whole && <p className="soft">Say {chosen.partition.join(", ")}.</p>}
      {page && page.page.length === 0 && <p className="soft">No documents of this org here.</p>}
      {page && page.page.length > 0 && (
        <div className="scroll" tabIndex={0} role="region" aria-label="Documents">
          <table>
            <Heads names={columns} />
            <tbody>
              {page.page.map((doc) => (
                <Row key={String(doc._id) + inline(idsOf(table, doc))} doc={doc} columns={columns} onOpen={() => setOpen(doc)} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      <div className="bar">
        {cursors.length > 1 && (
          <button type="button" onClick={() => setCursors(cursors.slice(0, -1))}>
            Back
          </button>
        )}
        {page && !page.isDone && (
          <button type="button" onClick={() => setCursors([...cursors, page.continueCursor])}>
            Next page
          </button>
        )}
      </div>
      {open && (
        <Document table={table} doc={open} editable={session.role === "edit"} onClose={() => setOpen(undefined)} onRemove={() => take(open)} />
      )}
      {adding && <Adding table={table} onClose={() => setAdding(false)} />}
    </>
  );
}

/** A row that flashes when its document was committed. */
function Row({ doc, columns, onOpen }: { doc: Doc; columns: string[]; onOpen: () => void }) {
  const text = JSON.stringify(doc);
  const [first] = useState(text);
  const [seen, setSeen] = useState(text);
  useEffect(() => setSeen(text), [text]);
  return (
    <tr className={text !== first ? "flash" : undefined} data-changed={seen !== first || undefined} key={text}>
      {columns.map((name) => (
        <td key={name} className="cut">
          {name === "_id" ? (
            <button type="button" className="link" onClick={onOpen}>
              {inline(doc[name])}
            </button>
          ) : name === "_creationTime" ? (
            moment(doc[name] as number)
          ) : (
            inline(doc[name])
          )}
        </td>
      ))}
    </tr>
  );
}

/** One document: its fields, who reads it now, and what can be done with it. */
function Document(props: { table: TableOf; doc: Doc; editable: boolean; onClose: () => void; onRemove: () => void }) {
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
                  <pre>{typeof doc[name] === "object" ? JSON.stringify(doc[name], null, 2) : inline(doc[name])}</pre>
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

function Adding({ table, onClose }: { table: TableOf; onClose: () => void }) {
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
