import { useState } from "react";
import { type FormState, useForm } from "../hooks/useForm";
import { NoIssuer, signInAs, signInWith } from "../lib/identity";
import { Problem } from "./Problem";

interface Fields {
  subject: string;
  org: string;
  token: string;
}

const REJECTED = { field: null, text: "Your sign-in has expired or was not accepted. Sign in again." };

/** Sign in by name where a development issuer is, else with a token. `rejected`: the server did not take the last one. */
export function SignIn({ rejected = false }: { rejected?: boolean }) {
  const [byToken, setByToken] = useState(false);
  const form = useForm({ subject: "", org: "acme", token: "" }, submit, rejected ? REJECTED : null);

  async function submit({ subject, org, token }: Fields) {
    try {
      if (byToken) signInWith(token.trim());
      else await signInAs(subject.trim(), org.trim());
    } catch (problem) {
      if (!(problem instanceof NoIssuer)) throw problem;
      setByToken(true);
      throw new Error(`${problem.message} Paste a token of your identity provider instead.`);
    }
  }

  return (
    <main className="sign-in">
      <form onSubmit={form.submit} aria-labelledby="sign-in-title">
        <img src="/favicon.svg" alt="" width="40" height="40" />
        <h1 id="sign-in-title">Sign in to Concave</h1>
        <Problem>{form.refusal?.text}</Problem>
        {byToken ? <TokenField form={form} /> : <NameFields form={form} />}
        <button type="submit" className="primary" disabled={form.busy}>
          {form.busy ? "Signing in…" : "Sign in"}
        </button>
        <button type="button" className="link" onClick={() => setByToken(!byToken)}>
          {byToken ? "Use a name instead" : "Use a token instead"}
        </button>
      </form>
    </main>
  );
}

function NameFields({ form: { values, set } }: { form: FormState<Fields> }) {
  return (
    <>
      <label>
        Name
        <input
          required
          maxLength={100}
          autoComplete="username"
          placeholder="alice"
          value={values.subject}
          onChange={(event) => set({ subject: event.target.value })}
        />
      </label>
      <label>
        Organisation
        <input
          required
          maxLength={100}
          autoComplete="organization"
          value={values.org}
          onChange={(event) => set({ org: event.target.value })}
        />
      </label>
      <p className="hint">This is a development server: any name will do, and there is no password.</p>
    </>
  );
}

function TokenField({ form: { values, set } }: { form: FormState<Fields> }) {
  return (
    <label>
      Token (JWT)
      <textarea
        required
        rows={5}
        spellCheck={false}
        autoComplete="off"
        value={values.token}
        onChange={(event) => set({ token: event.target.value })}
      />
    </label>
  );
}
