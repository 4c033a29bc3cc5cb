import type { ToolServerView } from "./views";

/** A server of tools as a form has it. */
export interface ToolServer {
  name: string;
  url: string;
  /** The name of a secret that the operator keeps; never the secret. */
  secret: string;
  /** Before which of its tools somebody is asked: all, or these. */
  approval: "never" | "always" | readonly string[];
}

/** The servers that are reached by an address; programs of a worker are not changed here. */
export const reachable = (servers: readonly ToolServerView[]): ToolServer[] =>
  servers.flatMap(({ name, url, authorization, requireApproval }) =>
    url ? [{ name, url, secret: authorization?.secret ?? "", approval: requireApproval ?? "never" }] : [],
  );

/** What the backend is told: the form's servers, and the programs that were there. */
export function configured(servers: readonly ToolServer[], before: readonly ToolServerView[]) {
  return Object.fromEntries([
    ...before.flatMap(({ name, command, args }) => (command ? [[name, { command, args: args ?? [] }] as const] : [])),
    ...servers.map(({ name, url, secret, approval }) => {
      const asks = approval === "never" ? {} : { requireApproval: approval };
      return [name, { url, ...(secret && { authorization: { secret } }), ...asks }] as const;
    }),
  ]);
}
