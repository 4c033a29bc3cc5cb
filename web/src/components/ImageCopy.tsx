import { useMutation } from "convex/react";
import { type FormEvent, useState } from "react";
import { api } from "../generated/api";
import { type Refusal, refusalOf } from "../lib/explain";
import { addressOf, go } from "../lib/route";
import { Field, Refused } from "./Field";
import type { ImageView } from "./ImageSettings";
import { configured, reachable, Servers } from "./Servers";

const FIELDS = ["name", "description", "systemPrompt", "model", "mcpServers"];

/** A new session whose configuration begins as this one's. What there is stays as it is (000-U02). */
export function ImageCopy({ image, onCancel }: { image: ImageView; onCancel: () => void }) {
  const create = useMutation(api.images.create);
  const [name, setName] = useState("");
  const [description, setDescription] = useState(image.description ?? "");
  const [systemPrompt, setSystemPrompt] = useState(image.systemPrompt);
  const [model, setModel] = useState(image.model);
  const [servers, setServers] = useState(() => reachable(image.mcpServers));
  const [refusal, setRefusal] = useState<Refusal | null>(null);
  const [busy, setBusy] = useState(false);

  async function start(event: FormEvent) {
    event.preventDefault();
    setBusy(true);
    setRefusal(null);
    const config = {
      systemPrompt,
      mcpServers: configured(servers, image.mcpServers),
      ...(name.trim() && { name: name.trim() }),
      ...(description.trim() && { description: description.trim() }),
      ...(model.trim() && { model: model.trim() }),
    };
    try {
      go(addressOf((await create({ config })).record.sessionId));
    } catch (refused) {
      setRefusal(refusalOf(refused));
      setBusy(false);
    }
  }

  return (
    <form onSubmit={start}>
      <Field label="Name" name="name" refusal={refusal}>
        {(aria) => (
          <input
            {...aria}
            autoFocus
            value={name}
            maxLength={200}
            placeholder="As its first message"
            onChange={(event) => setName(event.target.value)}
          />
        )}
      </Field>
      <Field label="Description" name="description" refusal={refusal}>
        {(aria) => (
          <input
            {...aria}
            value={description}
            maxLength={2000}
            onChange={(event) => setDescription(event.target.value)}
          />
        )}
      </Field>
      <Field label="Instruction" name="systemPrompt" refusal={refusal}>
        {(aria) => (
          <textarea
            {...aria}
            rows={5}
            value={systemPrompt}
            maxLength={100_000}
            onChange={(event) => setSystemPrompt(event.target.value)}
          />
        )}
      </Field>
      <Field label="Model" name="model" refusal={refusal}>
        {(aria) => (
          <input
            {...aria}
            value={model}
            maxLength={200}
            placeholder="The server's default"
            onChange={(event) => setModel(event.target.value)}
          />
        )}
      </Field>
      <Servers servers={servers} refusal={refusal} onChange={setServers} />
      <Refused refusal={refusal} shown={FIELDS} />
      <menu>
        <button type="button" onClick={onCancel}>
          Cancel
        </button>
        <button type="submit" className="primary" disabled={busy}>
          Start session
        </button>
      </menu>
    </form>
  );
}
