import { load, save } from "./store";

/** A message on its way. It is kept until the server has answered, so that a reload or a crash does not lose it. */
export interface Parcel {
  sessionId: string;
  content: string;
  /** The send's own key: sent twice, it takes effect once. */
  clientKey: string;
  /** What becomes of a reply that is being written meanwhile; without it the message waits its turn. */
  onBusy?: OnBusy;
}

export type OnBusy = "enqueue" | "interrupt" | "rollback";

const KEY = "concave.outbox";

export const waiting = (): Parcel[] => load<Parcel[]>(KEY) ?? [];

export function post(sessionId: string, content: string, onBusy?: OnBusy): Parcel {
  const parcel = { sessionId, content, clientKey: newKey(), ...(onBusy && { onBusy }) };
  save(KEY, [...waiting(), parcel]);
  return parcel;
}

export function delivered({ clientKey }: Parcel): void {
  const left = waiting().filter((each) => each.clientKey !== clientKey);
  save(KEY, left.length ? left : null);
}

/** `crypto.randomUUID` exists on secure pages only, and a phone reaches a laptop's server over plain HTTP. */
function newKey(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
