import { load, save, store } from "./store";

/** Who is signed in: a name at the development issuer, or the bearer of a token from elsewhere. */
export type Person = { kind: "name"; subject: string; org: string } | { kind: "token"; token: string };

const KEY = "concave.person";
const FIRST_WAIT_MS = 400;
const LONGEST_WAIT_MS = 5000;

export const person = store<Person | null>(load<Person>(KEY));
let minted: string | null = null;

// Signing in or out in another tab is for this one too.
addEventListener("storage", ({ key }) => {
  if (key !== KEY && key !== null) return;
  minted = null;
  person.set(load<Person>(KEY));
});

/** There is no development issuer here: the host is not a laptop. */
export class NoIssuer extends Error {}

/** A token of the development issuer. Throws `NoIssuer`, the server's own sentence, or fetch's TypeError without a network. */
async function mint(subject: string, org: string): Promise<string> {
  const answer = await fetch("/dev/token", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ subject, org }),
  });
  if (answer.status >= 500) throw new TypeError(`the server answered ${answer.status}`);
  const body = (await answer.json().catch(() => null)) as { token?: string; message?: string } | null;
  if (answer.ok && body?.token) return body.token;
  if (answer.status === 400 && body?.message) throw new Error(body.message);
  throw new NoIssuer("This server does not hand out sign-ins by name.");
}

/** Sign in by name; the token is fetched first, so that a refusal is known here. */
export async function signInAs(subject: string, org: string): Promise<void> {
  minted = await mint(subject, org);
  become({ kind: "name", subject, org });
}

/** Sign in with a token from the organisation's own provider. */
export function signInWith(token: string): void {
  become({ kind: "token", token });
}

/** Forget the person, and what this browser kept for them. */
export function signOut(): void {
  minted = null;
  for (const key of Object.keys(localStorage)) {
    if (key.startsWith("concave.draft.") || key === "concave.outbox") localStorage.removeItem(key);
  }
  become(null);
}

function become(next: Person | null): void {
  save(KEY, next);
  person.set(next);
}

/**
 * The token for the client, as `setAuth` wants it. A server that cannot be reached is asked again until it answers: only a
 * definite refusal is null, which signs out.
 */
export async function fetchToken(who: Person, fresh: boolean): Promise<string | null> {
  if (who.kind === "token") return who.token;
  if (fresh) minted = null;
  for (let wait = FIRST_WAIT_MS; minted === null; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
    try {
      minted = await mint(who.subject, who.org);
    } catch (problem) {
      if (!(problem instanceof TypeError) || person.get() !== who) return null;
      await new Promise((go) => setTimeout(go, wait));
    }
  }
  return minted;
}

/** How a person is called on the page: a token's subject is read, not verified; that is the server's work. */
export function nameOf(who: Person): { name: string; org: string } {
  if (who.kind === "name") return { name: who.subject, org: who.org };
  try {
    const part = (who.token.split(".")[1] ?? "").replace(/-/g, "+").replace(/_/g, "/");
    const claims = JSON.parse(atob(part)) as { name?: string; sub?: string; org?: string };
    return { name: claims.name ?? claims.sub ?? "you", org: claims.org ?? "" };
  } catch {
    return { name: "you", org: "" }; // not a JWT; the server will say so
  }
}
