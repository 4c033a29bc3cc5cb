import { GitBranch, Image, Pencil } from "lucide-react";
import { type FormEvent, useState } from "react";
import type { Branches } from "../hooks/useBranches";
import { isGuess } from "../hooks/useSend";
import { composes } from "../lib/composition";
import type { MessageView } from "../lib/views";

/** What the person said. It can be said differently, in a branch; the original stays as it is. */
export function Said({ message, branches }: { message: MessageView; branches: Branches | null }) {
  const [editing, setEditing] = useState(false);
  const guess = isGuess(message);
  return (
    <li className="user" data-anchor data-pending={guess || undefined}>
      <h2 className="spoken">You</h2>
      {editing && branches ? (
        <Changing
          text={message.content}
          onCancel={() => setEditing(false)}
          onSay={(content) => {
            setEditing(false);
            void branches.edit(message.messageId, content);
          }}
        />
      ) : (
        <div className="bubble" dir="auto">
          {message.content}
        </div>
      )}
      <Images parts={message.parts ?? []} />
      {guess && <span className="spoken">Sending</span>}
      {!guess && !editing && branches && (
        <div className="foot">
          <button type="button" className="small" onClick={() => setEditing(true)}>
            <Pencil aria-hidden="true" size={14} /> Edit
          </button>
          <button type="button" className="small" onClick={() => void branches.fork(message.messageId)}>
            <GitBranch aria-hidden="true" size={14} /> Fork
          </button>
        </div>
      )}
    </li>
  );
}

/** The images that were sent with a message: the log keeps their kinds and sizes, the images were the model's alone. */
function Images({ parts }: { parts: readonly unknown[] }) {
  const images = parts.filter(isImage);
  if (images.length === 0) return null;
  return (
    <ul className="images" aria-label={images.length === 1 ? "1 image" : `${images.length} images`}>
      {images.map(({ mediaType, bytes }, at) => (
        // a message's images never move
        <li key={at}>
          <Image aria-hidden="true" size={14} /> {kind(mediaType)} image, {size(bytes)}
        </li>
      ))}
    </ul>
  );
}

type ImagePart = { type: "image"; mediaType: string; bytes: number };

const isImage = (part: unknown): part is ImagePart =>
  typeof part === "object" && part !== null && "type" in part && part.type === "image" && "bytes" in part;
const kind = (mediaType: unknown) => String(mediaType).replace("image/", "").toUpperCase();
const size = (bytes: number) => (bytes < 1000 ? `${bytes} bytes` : `${Math.round(bytes / 1000)} KB`);

function Changing(props: { text: string; onSay: (content: string) => void; onCancel: () => void }) {
  const [text, setText] = useState(props.text);
  function say(event: FormEvent) {
    event.preventDefault();
    if (text.trim()) props.onSay(text.trim());
  }
  return (
    <form className="changing" onSubmit={say}>
      <textarea
        autoFocus
        value={text}
        rows={Math.min(12, text.split("\n").length + 1)}
        dir="auto"
        aria-label="Your message, changed"
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => event.key === "Escape" && !composes(event.nativeEvent) && props.onCancel()}
      />
      <menu>
        <button type="button" onClick={props.onCancel}>
          Cancel
        </button>
        <button type="submit" className="primary" disabled={!text.trim()}>
          Ask in a branch
        </button>
      </menu>
    </form>
  );
}
