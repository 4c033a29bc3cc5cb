import type { FunctionReturnType } from "convex/server";
import type { api } from "../generated/api";

type Chat = typeof api.chat;

/** What the backend tells of a session, a message and a piece of a reply: whatever its functions return. */
export type SessionView = NonNullable<FunctionReturnType<Chat["getSession"]>>;
export type MessageView = FunctionReturnType<Chat["listMessages"]>["page"][number];
export type ChunkView = FunctionReturnType<Chat["subscribeToChunks"]>[number];
