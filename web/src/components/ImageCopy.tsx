import { useMutation } from "convex/react";
import { api } from "../lib/api";
import { useForm } from "../hooks/useForm";
import { addressOf, go } from "../lib/route";
import { configured, reachable } from "../lib/toolServers";
import type { ImageView } from "../lib/views";
import { Form, TextField } from "./Form";
import { Servers } from "./Servers";

/** A new session whose configuration begins as this one's. What there is stays as it is: a session's configuration never changes. */
export function ImageCopy({ image, onCancel }: { image: ImageView; onCancel: () => void }) {
  const create = useMutation(api.images.create);
  const form = useForm(
    () => ({
      name: "",
      description: image.description ?? "",
      systemPrompt: image.systemPrompt,
      model: image.model,
      mcpServers: reachable(image.mcpServers),
    }),
    async ({ name, description, systemPrompt, model, mcpServers }) => {
      const config = {
        systemPrompt,
        mcpServers: configured(mcpServers, image.mcpServers),
        ...(name.trim() && { name: name.trim() }),
        ...(description.trim() && { description: description.trim() }),
        ...(model.trim() && { model: model.trim() }),
      };
      go(addressOf((await create({ config })).record.sessionId));
    },
  );

  return (
    <Form form={form} verb="Start session" onCancel={onCancel}>
      <TextField form={form} name="name" label="Name" autoFocus maxLength={200} placeholder="As its first message" />
      <TextField form={form} name="description" label="Description" maxLength={2000} />
      <TextField form={form} name="systemPrompt" label="Instruction" rows={5} maxLength={100_000} />
      <TextField form={form} name="model" label="Model" maxLength={200} placeholder="The server's default" />
      <Servers
        servers={form.values.mcpServers}
        refusal={form.refusal}
        onChange={(mcpServers) => form.set({ mcpServers })}
      />
    </Form>
  );
}
