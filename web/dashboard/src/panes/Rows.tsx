import { useConvex, useMutation, useQueries } from "convex/react";
import { useEffect, useMemo, useState } from "react";
import type { PaneProps } from "../App";
import { mutationAt, queryAt, sentence } from "../calls";
import { Heads } from "../Heads";
import { inline, moment, typedFor } from "../words";
import type { TableOf } from "./Data";
import { Adding, type Doc, Document, idsOf } from "./Document";

interface Page {
  page: Doc[];
  isDone: boolean;
  continueCursor: string;
}

/** Pages, and no endless list: one page is one live query of a known cost, whoever looks; a list would keep all that was ever seen of it live. */
const PAGE = 50;
/** So often documents of no index are asked for again: on DynamoDB each time is paid, up to a thousand documents of a large table. */
const REFRESH_MS = { sqlite: 2_000, elsewhere: 30_000 };

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
    ...(chosen && whole ? { index, values: chosen.partition.map((field, at) => typedFor(typeOf(table, field), values[at] ?? "")) } : {}),
  };
  const asked = JSON.stringify([args, acting.org]);
  const watched = useMemo(
    () => (chosen && whole ? { documents: { query: queryAt("data:documents"), args: args as never } } : ({} as never)),
    [asked, chosen === undefined, whole],
  );
  const { documents } = useQueries(watched) as { documents?: Page | Error };
  const live = documents instanceof Error ? undefined : documents;
  const [polled, setPolled] = useState<Page>();
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
      {(said || documents instanceof Error) && <p role="alert">{said || sentence(documents)}</p>}
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
      {chosen && !whole && <p className="soft">Say which {chosen.partition.join(", ")}.</p>}
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
        {page && page.page.length > 0 && (cursors.length > 1 || !page.isDone) && (
          <span className="soft">
            {(cursors.length - 1) * PAGE + 1}–{(cursors.length - 1) * PAGE + page.page.length}
          </span>
        )}
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

const typeOf = (table: TableOf, field: string) => table.fields.find((each) => each.name === field)?.type;

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
