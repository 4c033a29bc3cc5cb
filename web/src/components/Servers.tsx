import { Plus, X } from "lucide-react";
import { useId } from "react";
import type { Refusal } from "../lib/explain";
import type { ToolServer } from "../lib/toolServers";
import { Problem } from "./Problem";

interface Props {
  servers: readonly ToolServer[];
  refusal: Refusal | null;
  onChange: (servers: ToolServer[]) => void;
}

/** The rows of servers. A refusal that names a server (`mcpServers.search.url`) stands below its row. */
export function Servers({ servers, refusal, onChange }: Props) {
  const id = useId();
  const change = (at: number, part: Partial<ToolServer>) =>
    onChange(servers.map((each, here) => (here === at ? { ...each, ...part } : each)));
  const wrong = refusal?.field?.startsWith("mcpServers") ? refusal : null;
  const row = wrong ? servers.findIndex(({ name }) => of(wrong, name)) : -1;
  const refused = <Problem id={id}>{wrong?.text}</Problem>;
  return (
    <fieldset>
      <legend>Servers of tools (MCP)</legend>
      {servers.map((server, at) => {
        const aria = (part: string) => {
          const it = at === row && wrong !== null && names(wrong, server.name, part);
          return { "aria-invalid": it || undefined, "aria-describedby": it ? id : undefined };
        };
        return (
          // rows are told apart by their place only
          <div className="row" key={at}>
            <input
              aria-label={`Name of server ${at + 1}`}
              placeholder="Name"
              required
              value={server.name}
              {...aria("name")}
              onChange={(event) => change(at, { name: event.target.value })}
            />
            <input
              aria-label={`Address of server ${at + 1}`}
              placeholder="https://…"
              required
              value={server.url}
              {...aria("url")}
              onChange={(event) => change(at, { url: event.target.value })}
            />
            <input
              aria-label={`Secret of server ${at + 1}`}
              placeholder="Secret's name"
              value={server.secret}
              {...aria("authorization")}
              onChange={(event) => change(at, { secret: event.target.value })}
            />
            <select
              aria-label={`Approval of server ${at + 1}`}
              value={typeof server.approval === "string" ? server.approval : "some"}
              onChange={({ target }) => change(at, { approval: target.value === "always" ? "always" : "never" })}
            >
              <option value="never">Use its tools at once</option>
              <option value="always">Ask me first</option>
              {typeof server.approval !== "string" && <option value="some">Ask for {server.approval.join(", ")}</option>}
            </select>
            <button
              type="button"
              className="icon"
              aria-label={`Remove server ${at + 1}`}
              onClick={() => onChange(servers.filter((_, here) => here !== at))}
            >
              <X aria-hidden="true" size={16} />
            </button>
            {at === row && refused}
          </div>
        );
      })}
      {row < 0 && refused}
      <button
        type="button"
        className="small"
        onClick={() => onChange([...servers, { name: "", url: "", secret: "", approval: "never" }])}
      >
        <Plus aria-hidden="true" size={14} /> Add a server
      </button>
    </fieldset>
  );
}

const of = ({ field }: Refusal, name: string) =>
  field === `mcpServers.${name}` || (field ?? "").startsWith(`mcpServers.${name}.`);

/** Whether a refusal is about this part of a server. Without a part it is about the name. */
function names({ field }: Refusal, name: string, part: string): boolean {
  const rest = (field ?? "").slice(`mcpServers.${name}`.length);
  return part === "name" ? rest === "" : rest.startsWith(`.${part}`);
}
