import { type FormEvent, useState } from "react";
import { explain } from "../lib/explain";
import { NoIssuer, signInAs, signInWith } from "../lib/identity";

/** Sign in by name where a development issuer is, else with a token. `rejected`: the server did not take the last one. */
export function SignIn({ rejected = false }: { rejected?: boolean }) {
  const [problem, setProblem] = useState(
    rejected ? "Your sign-in has expired or was not accepted. Sign in again." : null,
  );
  const [byToken, setByToken] = useState(false);
  const [busy, setBusy] = useState(false);

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    const field = (name: string) => String(fields.get(name) ?? "").trim();
    setBusy(true);
    setProblem(null);
    try {
      if (byToken) signInWith(field("token"));
      else await signInAs(field("subject"), field("org"));
    } catch (error) {
      setProblem(
        error instanceof NoIssuer
          ? `${error.message} Paste a token of your identity provider instead.`
          : explain(error),
      );
      if (error instanceof NoIssuer) setByToken(true);
      setBusy(false);
    }
  }

  return (
    <main className="sign-in">
      <form onSubmit={submit} aria-labelledby="sign-in-title">
        <img src="/favicon.svg" alt="" width="40" height="40" />
        <h1 id="sign-in-title">Sign in to Concave</h1>
        {problem && (
          <p role="alert" className="problem">
            {problem}
          </p>
        )}
        {byToken ? <TokenField /> : <NameFields />}
        <button type="submit" className="primary" disabled={busy}>
          {busy ? "Signing in…" : "Sign in"}
        </button>
        <button type="button" className="link" onClick={() => setByToken(!byToken)}>
          {byToken ? "Use a name instead" : "Use a token instead"}
        </button>
      </form>
    </main>
  );
}

function NameFields() {
  return (
    <>
      <label>
        Name
        <input name="subject" required maxLength={100} autoComplete="username" placeholder="alice" />
      </label>
      <label>
        Organisation
        <input name="org" required maxLength={100} autoComplete="organization" defaultValue="acme" />
      </label>
      <p className="hint">This is a development server: any name will do, and there is no password.</p>
    </>
  );
}

function TokenField() {
  return (
    <label>
      Token (JWT)
      <textarea name="token" required rows={5} spellCheck={false} autoComplete="off" />
    </label>
  );
}
