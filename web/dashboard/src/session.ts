import type { ConvexReactClient } from "convex/react";

/** What the server tells a browser that an operator's link has opened. */
export interface Session {
  key: string;
  role: "read" | "edit";
  /** When the key ends, in milliseconds since the epoch. */
  expires: number;
  stage: string | null;
  store: string;
}

/** As whom the operator looks: an org, and a user of it or the service. */
export interface Acting {
  org?: string | undefined;
  subject?: string | undefined;
}

/** The key of a stage's link: behind the #, which no browser sends anywhere; it stays in no history. */
function keyOfLink(): string | undefined {
  const key = /^#key=(.+)$/.exec(location.hash)?.[1];
  if (key) history.replaceState(null, "", location.pathname);
  return key && decodeURIComponent(key);
}

/** A key for this browser's cookie, or for the one that is given; null where it has none. */
export async function openSession(key = keyOfLink()): Promise<Session | null> {
  const answer = await fetch("session", { method: "POST", headers: key ? { authorization: `Convex ${key}` } : {} });
  if (answer.status === 401) return null;
  if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
  return (await answer.json()) as Session;
}

/** Convex's clients have it, and their types leave it out. */
type WithAdmin = ConvexReactClient & { setAdminAuth(key: string, identity?: Acting): void };

/** From now on the client calls as an operator. */
export function actAs(client: ConvexReactClient, session: Session, acting: Acting): void {
  (client as WithAdmin).setAdminAuth(session.key, acting.org || acting.subject ? acting : undefined);
}
