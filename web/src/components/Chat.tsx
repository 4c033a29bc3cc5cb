import { useEffect } from "react";
import { useAssistantChat } from "../hooks/useAssistantChat";
import { useBranches } from "../hooks/useBranches";
import { mark } from "../lib/activity";
import { composes } from "../lib/composition";
import { isCall } from "../lib/tools";
import { Announcer } from "./Announcer";
import { Composer } from "./Composer";
import { ImageSettings } from "./ImageSettings";
import { MachineOffline } from "./MachineOffline";
import { MessageList } from "./MessageList";
import { NotFound } from "./NotFound";
import { PaneHeader } from "./PaneHeader";
import { PermissionCards } from "./PermissionCards";
import { SessionMenu } from "./SessionMenu";

interface Props {
  sessionId: string;
  shown: boolean;
  /** Its settings are open. */
  settings: boolean;
}

/** One session. While it is not shown it stays live. */
export function Chat({ sessionId, shown, settings }: Props) {
  const chat = useAssistantChat(sessionId);
  const { session, messages, running, stop } = chat;
  const branches = useBranches(sessionId, session?.imageId);
  const writing = running !== undefined;

  useEffect(() => {
    if (!writing) return;
    mark(sessionId, "writing");
    return () => mark(sessionId, "unseen");
  }, [sessionId, writing]);

  useEffect(() => {
    if (shown && !writing) mark(sessionId, null);
  }, [sessionId, shown, writing]);

  useEffect(() => {
    if (shown) document.title = session ? `${session.name} · Concave` : "Concave";
  }, [shown, session]);

  useEffect(() => {
    if (!shown || !writing) return;
    const onKey = (event: KeyboardEvent) => {
      const elsewhere = composes(event) || document.querySelector("dialog[open]") !== null;
      if (event.key === "Escape" && !elsewhere) void stop();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [shown, writing, stop]);

  if (session === null) return shown && <NotFound />;
  const ended = session?.status === "terminated";
  const newest = messages.at(-1);
  // an agent asks at any time, a model only after it has called a tool
  const mayAsk = session?.workerId !== undefined || newest?.parts?.some(isCall) === true;
  return (
    <main className="pane" hidden={!shown} aria-busy={session === undefined}>
      <PaneHeader title={session?.name ?? ""}>{session && <SessionMenu session={session} />}</PaneHeader>
      <MessageList
        messages={messages}
        running={running}
        history={chat.history}
        onOlder={chat.loadOlder}
        onRetry={ended ? null : chat.retry}
        branches={ended ? null : branches}
      />
      {settings && session && <ImageSettings session={session} />}
      {session && mayAsk && !ended && <PermissionCards sessionId={sessionId} reply={newest?.messageId} />}
      {session && !ended && <MachineOffline session={session} />}
      {shown && <Announcer messages={messages} running={running} />}
      {ended ? (
        <p className="ended">This session has ended. Its messages stay readable.</p>
      ) : (
        <Composer sessionId={sessionId} onSend={chat.send} onStop={writing ? stop : undefined} focus={shown} />
      )}
    </main>
  );
}
