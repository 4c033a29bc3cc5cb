import { useMutation, useQuery } from "convex/react";
import { Copy } from "lucide-react";
import { useState } from "react";
import { api } from "../lib/api";
import { useForm } from "../hooks/useForm";
import { addressOf, DOMAINS, go } from "../lib/route";
import type { ImageView, SessionView, ToolServerView } from "../lib/views";
import { Dialog } from "./Dialog";
import { Refused } from "./Field";
import { TextField } from "./Form";
import { ImageCopy } from "./ImageCopy";
import { Moment } from "./When";

/** What a session was started with, and its name. The address opens it, so a reload and the way back do what they should. */
export function ImageSettings({ session: { sessionId, imageId } }: { session: SessionView }) {
  const image = useQuery(api.images.get, imageId ? { imageId } : "skip");
  const [copying, setCopying] = useState(false);
  return (
    <Dialog
      wide
      title={copying ? "A new session with other settings" : "Settings"}
      busy={Boolean(imageId) && image === undefined}
      onClose={() => go(addressOf(sessionId))}
    >
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
    </Dialog>
  );
}

/** The name of the session and of its image: they are one. */
function Name({ image: { imageId, name: before } }: { image: ImageView }) {
  const update = useMutation(api.images.update);
  const [saved, setSaved] = useState(false);
  const form = useForm({ name: before }, async ({ name }) => {
    await update({ imageId, name: name.trim() });
    setSaved(true);
  });
  const name = form.values.name.trim();
  return (
    <form onSubmit={form.submit}>
      <TextField
        form={form}
        name="name"
        label="Name"
        required
        maxLength={200}
        beside={
          <button type="submit" className="primary" disabled={form.busy || !name || name === before}>
            Save
          </button>
        }
      />
      <output className="hint">{saved && name === before && "Saved."}</output>
      <Refused refusal={form.refusal} shown={["name"]} />
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

function whereabouts({ source, url, authorization, requireApproval, command, args }: ToolServerView): string {
  const asks = typeof requireApproval === "string" ? ", asks you first" : `, asks you for ${requireApproval?.join(", ")}`;
  if (url) return (authorization?.secret ? `${url}, with the secret ${authorization.secret}` : url) + (requireApproval ? asks : "");
  return command ? [command, ...(args ?? [])].join(" ") : FROM[source];
}

function Parent({ imageId }: { imageId: string }) {
  const parent = useQuery(api.images.get, { imageId });
  if (parent === undefined) return "…";
  return parent === null ? "A session that is gone" : <a href={addressOf(parent.sessionId)}>{parent.name}</a>;
}
