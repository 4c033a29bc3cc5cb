import { useConvex } from "convex/react";
import { makeFunctionReference } from "convex/server";
import { useEffect, useMemo, useState } from "react";
import type { PaneProps } from "../App";
import { sentence, usePolled } from "../calls";
import { diff } from "../diff";
import { Marked } from "../Marked";
import { useSeen } from "../seen";
import { ms, typedFor } from "../words";
import { Hour, Statistics, type Sums } from "./Statistics";
import type { Call } from "./Logs";

interface Described {
  path: string;
  kind: "query" | "mutation" | "action";
  public: boolean;
  doc: string;
  place: string;
  args: { name: string; type: string; required: boolean }[];
}

/** What a call gave. `before`: of a subscription the value that this one took the place of, so that it is shown as a change. */
interface Value {
  at: number;
  text: string;
  before: string | undefined;
}

const said = (value: unknown) => JSON.stringify(value, null, 2) ?? "null";

/** Every function: what it takes, run it or subscribe to it, what it cost. */
export function Functions(props: PaneProps) {
  const { value: functions } = usePolled<Described[]>("overview:functions", {}, 10_000);
  const { value: hour } = usePolled<Sums[]>("logs:statistics", {}, 3_000);
  const [wanted, setWanted] = useState("");
  const list = useSeen<HTMLDivElement>(props.rest, functions !== undefined);
  if (!functions) return <p>Looking…</p>;
  const fits = functions.filter((each) => each.path.toLowerCase().includes(wanted.toLowerCase()));
  const rooms = new Map<string, Described[]>();
  for (const each of fits) {
    const room = each.path.split(":")[0] ?? "";
    rooms.set(room, [...(rooms.get(room) ?? []), each]);
  }
  const chosen = functions.find((each) => each.path === props.rest);
  return (
    <div className="split">
      <section className="list" aria-label="Functions">
        <h1>Functions</h1>
        <input aria-label="Find a function" placeholder="Find a function" value={wanted} onChange={(event) => setWanted(event.target.value)} />
        <div className="rooms" ref={list}>
          {[...rooms].map(([room, inside]) => (
            <details key={room} open={wanted !== "" || inside.some((each) => each.path === props.rest) || rooms.size < 4}>
              <summary>{room}</summary>
              <ul>
                {inside.map((each) => (
                  <li key={each.path}>
                    <a href={`#/functions/${each.path}`} aria-current={each.path === props.rest ? "true" : undefined}>
                      {each.path.split(":")[1]} <span className="soft">{each.public ? each.kind : `internal ${each.kind}`}</span>
                    </a>
                  </li>
                ))}
              </ul>
            </details>
          ))}
        </div>
      </section>
      <section className="detail" aria-label={chosen?.path ?? "A function"}>
        {chosen ? <One key={chosen.path} of={chosen} hour={hour?.find((each) => each.path === chosen.path)} {...props} /> : <Hour of={hour ?? []} />}
      </section>
    </div>
  );
}

function One({ of: called, hour, session }: PaneProps & { of: Described; hour: Sums | undefined }) {
  const client = useConvex();
  const [given, setGiven] = useState<Record<string, string>>({});
  const [values, setValues] = useState<Value[]>([]);
  const [problem, setProblem] = useState("");
  const [watching, setWatching] = useState(false);
  const { value: calls, again } = usePolled<Call[]>("logs:recent", { path: called.path, limit: 10 }, 3_000);
  const args = useMemo(
    () => Object.fromEntries(called.args.filter(({ name }) => given[name]).map(({ name, type }) => [name, typedFor(type, given[name] as string)])),
    [called.args, given],
  );
  const may = called.kind === "query" || session.role === "edit";
  const show = (text: string, before?: string) => {
    setProblem("");
    setValues((others) => [{ at: Date.now(), text, before }, ...others].slice(0, 20));
  };
  useEffect(() => {
    if (!watching) return;
    const watch = client.watchQuery(makeFunctionReference<"query">(called.path), args);
    let last: string | undefined;
    const look = () => {
      try {
        const value = watch.localQueryResult();
        if (value === undefined || said(value) === last) return;
        show(said(value), last);
        last = said(value);
      } catch (error) {
        setProblem(sentence(error));
      }
    };
    look();
    return watch.onUpdate(look);
  }, [watching, client, called.path, args]);
  const run = async () => {
    try {
      if (called.kind === "query") show(said(await client.query(makeFunctionReference<"query">(called.path), args)));
      else if (called.kind === "mutation") show(said(await client.mutation(makeFunctionReference<"mutation">(called.path), args)));
      else show(said(await client.action(makeFunctionReference<"action">(called.path), args)));
    } catch (error) {
      setProblem(sentence(error));
    }
    await again();
  };
  const [last] = calls ?? [];
  return (
    <>
      <h2>{called.path}</h2>
      <p>
        <Marked text={called.doc} />
      </p>
      <p className="soft">
        {called.public ? "" : "internal "}
        {called.kind} · <code>{called.place}</code>
      </p>
      <Statistics of={hour} />
      <form
        className="card"
        onSubmit={(event) => {
          event.preventDefault();
          void run();
        }}
      >
        {called.args.map(({ name, type, required }) => (
          <label key={name}>
            {name} <span className="soft">{required ? type : `${type}, may be missing`}</span>
            <input value={given[name] ?? ""} onChange={(event) => setGiven({ ...given, [name]: event.target.value })} spellCheck={false} />
          </label>
        ))}
        <div className="bar">
          <button type="submit" disabled={!may}>
            Run
          </button>
          {called.kind === "query" && (
            <button type="button" aria-pressed={watching} onClick={() => setWatching(!watching)}>
              {watching ? "Stop watching" : "Subscribe"}
            </button>
          )}
          {!may && <span className="soft">Your key may only read.</span>}
        </div>
      </form>
      {problem && <p role="alert">{problem}</p>}
      {last && (
        <p className="soft">
          The last call took {ms(last.ms)}, read {last.reads} and wrote {last.writes} items; on DynamoDB about {last.readUnits} read
          {last.writeUnits > 0 ? ` and ${last.writeUnits} write` : ""} units.
        </p>
      )}
      <div aria-live="polite">
        {values.map((value, number) => (
          <Shown key={value.at + value.text} value={value} old={number > 0} />
        ))}
      </div>
      <details>
        <summary>From your own code</summary>
        <pre>{snippets(called, args)}</pre>
      </details>
    </>
  );
}

function Shown({ value: { text, before }, old }: { value: Value; old: boolean }) {
  if (before === undefined) return <pre className={old ? "value old" : "value"}>{text}</pre>;
  return (
    <pre className={old ? "value old" : "value"}>
      {diff(before, text).map(({ sign, text: line }, place) => (
        <span key={place} data-line={sign === "+" ? "added" : sign === "-" ? "removed" : undefined}>
          {`${sign} ${line}\n`}
        </span>
      ))}
    </pre>
  );
}

function snippets(called: Described, args: Record<string, unknown>): string {
  const [module, name] = called.path.split(":");
  const given = JSON.stringify(args);
  const hook = called.kind === "query" ? "useQuery" : called.kind === "mutation" ? "useMutation" : "useAction";
  return [
    `// React\n${hook}(api.${module?.replaceAll("/", ".")}.${name}${called.kind === "query" ? `, ${given}` : ""})`,
    `# Python\nclient.${called.kind}("${called.path}", ${given.replaceAll("true", "True").replaceAll("null", "None")})`,
    `# curl\ncurl ${location.origin}/api/${called.kind} -H 'content-type: application/json' \\\n  -d '${JSON.stringify({ path: called.path, args })}'`,
  ].join("\n\n");
}
