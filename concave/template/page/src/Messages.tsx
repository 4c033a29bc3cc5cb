import { useMutation, useQuery } from "convex/react";
import { ConvexError } from "convex/values";
import { type FormEvent, useState } from "react";
import { api, type ErrorData } from "./generated/api";

/** The messages, live, and a field to write one. */
export function Messages() {
  const messages = useQuery(api.messages.latest, {});
  const send = useMutation(api.messages.send);
  const [text, setText] = useState("");
  const [problem, setProblem] = useState("");

  async function say(event: FormEvent) {
    event.preventDefault();
    try {
      await send({ text });
      setText("");
      setProblem("");
    } catch (error) {
      setProblem(error instanceof ConvexError ? (error.data as ErrorData).message : "The server did not take it.");
    }
  }

  return (
    <main>
      <h1>{{name}}</h1>
      {messages === undefined && <p className="hint">Loading…</p>}
      {messages?.length === 0 && <p className="hint">Nobody has said anything yet. Open a second tab beside this one.</p>}
      <ol>
        {messages?.map(({ _id, author, text }) => (
          <li key={_id}>
            <b>{author}</b> {text}
          </li>
        ))}
      </ol>
      <form onSubmit={say}>
        <input aria-label="Message" placeholder="Say something" value={text} onChange={(event) => setText(event.target.value)} maxLength={500} required />
        <button type="submit">Send</button>
      </form>
      {problem && <p role="alert">{problem}</p>}
    </main>
  );
}
