import { useMutation, useQuery } from "convex/react";
import type { FunctionReturnType } from "convex/server";
import { Copy, X } from "lucide-react";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { api } from "../generated/api";
import { type Refusal, refusalOf } from "../lib/explain";
import { addressOf, DOMAINS, go } from "../lib/route";
import type { SessionView } from "../lib/views";
import { Field, Refused } from "./Field";
import { ImageCopy } from "./ImageCopy";
import { Moment } from "./When";

export type ImageView = NonNullable<FunctionReturnType<typeof api.images.get>>;

type ToolsView = FunctionReturnType<typeof api.images.tools>[number];

/** What a session was started with, and its name. The address opens it, so a reload and the way back do what they should. */
export function ImageSettings({ session: { sessionId, imageId } }: { session: SessionView }) {
  const image = useQuery(api.images.get, imageId ? { imageId } : "skip");
  const dialog = useRef<HTMLDialogElement>(null);
  const [copying, setCopying] = useState(false);

  useEffect(() => {
    if (!dialog.current?.open) dialog.current?.showModal();
  }, []);

  const close = () => dialog.current?.close();
  return (
    <dialog
      ref={dialog}
      className="settings"
      aria-labelledby={`settings-${sessionId}`}
      aria-busy={Boolean(imageId) && image === undefined}
      onClose={() => go(addressOf(sessionId))}
    >
      <header>
        <h2 id={`settings-${sessionId}`}>{copying ? "A new session with other settings" : "Settings"}</h2>
        <button type="button" className="icon" onClick={close} aria-label="Close">
          <X aria-hidden="true" size={18} />
        </button>
      </header>
      {(!imageId || image === null) && <p className="hint">This session has no configuration of its own.</p>}
      {image && !copying && (
        <>
          <Name image={image} />
          <Facts image={image} />
          <p className="hint">A session keeps the configuration that it was started with.</p>
          <menu>
            <button type="button" onClick={() => setCopying(true)}>
              <Copy aria-hidden="true" size={15} /> New session with other settings
            </button>
          </menu>
        </>
      )}
      {image && copying && <ImageCopy image={image} onCancel={() => setCopying(false)} />}
    </dialog>
  );
}

/** The name of the session and of its image: they are one (000-U08). */
function Name({ image: { imageId, name: before } }: { image: ImageView }) {
  const update = useMutation(api.images.update);
  const [name, setName] = useState(before);
  const [refusal, setRefusal] = useState<Refusal | null>(null);
  const [saved, setSaved] = useState(false);

  async function save(event: FormEvent) {
    event.preventDefault();
    setRefusal(null);
    try {
      await update({ imageId, name: name.trim() });
      setSaved(true);
    } catch (refused) {
      setRefusal(refusalOf(refused));
    }
  }

  return (
    <form onSubmit={save}>
      <Field
        label="Name"
        name="name"
        refusal={refusal}
        beside={
          <button type="submit" className="primary" disabled={!name.trim() || name.trim() === before}>
            Save
          </button>
        }
      >
        {(aria) => (
          <input {...aria} value={name} required maxLength={200} onChange={(event) => setName(event.target.value)} />
        )}
      </Field>
      <output className="hint">{saved && name.trim() === before && "Saved."}</output>
      <Refused refusal={refusal} shown={["name"]} />
    </form>
  );
}

function Facts({ image }: { image: ImageView }) {
  const tools = useQuery(api.images.tools, { imageId: image.imageId });
  return (
    <dl className="facts">
      {image.description && (
        <>
          <dt>Description</dt>
          <dd>{image.description}</dd>
        </>
      )}
      <dt>Instruction</dt>
      <dd>
        {/* it scrolls, so the keyboard has to reach it */}
        <div className="instruction" tabIndex={0} role="group" aria-label="Instruction">
          {image.systemPrompt || "None"}
        </div>
      </dd>
      <dt>Model</dt>
      <dd>{image.model}</dd>
      <dt>Tools</dt>
      <dd>
        {tools?.length === 0 && "None"}
        <ul>
          {tools?.map((tool) => (
            <li key={tool.name}>
              {tool.name} <span className="hint">{whereabouts(tool)}</span>
            </li>
          ))}
        </ul>
      </dd>
      {image.containerId && (
        <>
          <dt>Started from</dt>
          <dd>
            <a href={DOMAINS}>A domain</a>
          </dd>
        </>
      )}
      {image.parentImageId && (
        <>
          <dt>Forked from</dt>
          <dd>
            <Parent imageId={image.parentImageId} />
          </dd>
        </>
      )}
      <dt>Started</dt>
      <dd>
        <Moment at={image.createdAt} />
      </dd>
    </dl>
  );
}

const FROM = { system: "of the system", "built-in": "of this server", user: "your own" } as const;

function whereabouts({ source, url, authorization, command, args }: ToolsView): string {
  if (url) return authorization?.secret ? `${url}, with the secret ${authorization.secret}` : url;
  return command ? [command, ...(args ?? [])].join(" ") : FROM[source];
}

function Parent({ imageId }: { imageId: string }) {
  const parent = useQuery(api.images.get, { imageId });
  if (parent === undefined) return "…";
  return parent === null ? "A session that is gone" : <a href={addressOf(parent.sessionId)}>{parent.name}</a>;
}
