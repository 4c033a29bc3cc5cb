import type { PaneProps } from "../App";
import { usePolled } from "../calls";
import { Heads } from "../Heads";
import { count, dollars, moment, ms } from "../words";
import { Tiles } from "./Tiles";

interface Sums {
  model: string;
  replies: number;
  failed: number;
  cost: number | null;
  inputTokens: number;
  outputTokens: number;
  cacheReadTokens: number;
  cacheCreationTokens: number;
}

interface Reply {
  id: string;
  org: string;
  user: string | null;
  model: string;
  state: string;
  reason: string | null;
  worker: string | null;
  startedAt: number | null;
  endedAt: number | null;
  tokens: number;
  cost: number | null;
}

interface Traffic {
  states: Record<"running" | "pending" | "completed" | "failed" | "aborted" | "interrupted", number>;
  more: boolean;
  models: Sums[];
  replies: Reply[];
  today: { spent: number; held: number; limit: number };
  circuits: { model: string; state: string }[];
}

/** The model's traffic: what is written now, what an hour has cost, and whether the model is well. */
export function Chats({ acting }: PaneProps) {
  const { value, problem } = usePolled<Traffic>("chats:traffic", {}, 2_000);
  return (
    <>
      <h1>Chats</h1>
      <p className="soft">Replies of the model: those that are written now, and those that have ended within the last hour, of all orgs.</p>
      {problem && <p role="alert">{problem}</p>}
      {value && <Shown of={value} org={acting.org ?? "callers without a token"} />}
    </>
  );
}

function Shown({ of: told, org }: { of: Traffic; org: string }) {
  const { states, models, today } = told;
  const priced = models.filter((each) => each.cost !== null);
  const tokens = models.reduce((sum, each) => sum + each.inputTokens + each.outputTokens + each.cacheCreationTokens, 0);
  const cost = priced.reduce((sum, each) => sum + (each.cost ?? 0), 0);
  return (
    <>
      <Tiles
        of={[
          ["Written now", count(states.running)],
          ["Waiting", count(states.pending)],
          ["Completed in an hour", count(states.completed)],
          ["Failed in an hour", count(states.failed)],
          ["Stopped in an hour", count(states.aborted + states.interrupted)],
          ["Tokens in an hour", count(tokens)],
          ["Cost of an hour", priced.length > 0 ? dollars(cost) : "no prices"],
          ["Tokens today", count(today.spent)],
        ]}
      />
      <p className="soft">
        Today: of {org}, which may use {count(today.limit)} a day (UTC). Replies that have not ended hold {count(today.held)}.
      </p>
      {told.more && <p className="soft">There were more: the newest 500 of each state are counted.</p>}
      <h2>Models</h2>
      {told.circuits.length === 0 && <p className="soft">This process has asked no model yet.</p>}
      <ul className="circuits">
        {told.circuits.map((each) => (
          <li key={each.model} className={each.state === "closed" ? undefined : "bad"}>
            <code>{each.model}</code> {CIRCUIT[each.state] ?? each.state}
          </li>
        ))}
      </ul>
      {models.length > 0 && <Models of={models} />}
      {models.length > priced.length && (
        <p className="soft">
          Costs are shown for models whose prices the setting <code>MODEL_PRICES</code> names.
        </p>
      )}
      <h2>Replies</h2>
      {told.replies.length === 0 ? <p className="soft">No reply within an hour. Send a message, and its reply is here.</p> : <Replies of={told.replies} />}
    </>
  );
}

const CIRCUIT: Record<string, string> = {
  closed: "answers",
  open: "is left alone for half a minute: it has failed several times in a row",
  "half-open": "is tried with one reply",
};

function Models({ of: models }: { of: Sums[] }) {
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label="Models">
      <table>
        <Heads names={["Model", "#Replies", "#Failed", "#Tokens in", "#Tokens out", "#From its cache", "#Into its cache", "#Cost"]} />
        <tbody>
          {models.map((each) => (
            <tr key={each.model}>
              <td>
                <code>{each.model}</code>
              </td>
              <td className="number">{count(each.replies)}</td>
              <td className="number">{count(each.failed)}</td>
              <td className="number">{count(each.inputTokens)}</td>
              <td className="number">{count(each.outputTokens)}</td>
              <td className="number">{count(each.cacheReadTokens)}</td>
              <td className="number">{count(each.cacheCreationTokens)}</td>
              <td className="number">{dollars(each.cost)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Replies({ of: replies }: { of: Reply[] }) {
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label="Replies">
      <table>
        <Heads names={["Began", "State", "Model", "Org", "User", "#Took", "#Tokens", "#Cost"]} />
        <tbody>
          {replies.map((reply) => (
            <tr key={reply.id} className={reply.state === "failed" ? "bad" : undefined}>
              <td>{reply.startedAt === null ? "waits" : moment(reply.startedAt)}</td>
              <td>
                {reply.state}
                {reply.reason && <div className="soft">{reply.reason}</div>}
              </td>
              <td>
                <code>{reply.worker ? `worker ${reply.worker}` : reply.model}</code>
              </td>
              <td>{reply.org}</td>
              <td>{reply.user ?? ""}</td>
              <td className="number">{reply.startedAt && reply.endedAt ? ms(reply.endedAt - reply.startedAt) : ""}</td>
              <td className="number">{count(reply.tokens)}</td>
              <td className="number">{dollars(reply.cost)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
