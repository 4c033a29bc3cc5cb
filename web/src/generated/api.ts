// Interim; `make codegen` writes this file from the Python functions.
import { anyApi, type FunctionReference, type PaginationOptions, type PaginationResult } from "convex/server";

export type SessionStatus = "active" | "idle" | "terminated";

export interface SessionView {
  sessionId: string;
  _id: string;
  _creationTime: number;
  name: string;
  status: SessionStatus;
  userId: string;
  createdAt: number;
  lastActivity: number;
  ready: boolean;
  model?: string;
  workerId?: string;
  agentSessionId?: string;
}

export interface MessageView {
  messageId: string;
  sessionId: string;
  role: "user" | "assistant" | "system" | "tool";
  content: string;
  completed: boolean;
  status: "pending" | "completed" | "failed" | "aborted" | "interrupted";
  sequence: number;
  timestamp: number;
  model?: string;
  usage?: Record<string, unknown>;
  reason?: string;
  reasoning?: string;
  parts?: unknown[];
}

export interface ChunkView {
  chunkId: string;
  messageId: string;
  sequence: number;
  chunk: string;
  timestamp: number;
}

type Query<Args extends Record<string, unknown>, Result> = FunctionReference<"query", "public", Args, Result>;
type Mutation<Args extends Record<string, unknown>, Result> = FunctionReference<"mutation", "public", Args, Result>;

export const api = anyApi as unknown as {
  chat: {
    startSession: Mutation<{ model?: string; workerId?: string; domainId?: string; name?: string }, string>;
    sendMessage: Mutation<{ sessionId: string; content: string; model?: string; clientKey?: string }, string>;
    stop: Mutation<{ sessionId: string; messageId?: string }, boolean>;
    endSession: Mutation<{ sessionId: string }, null>;
    resumeSession: Mutation<{ sessionId: string }, string>;
    getSession: Query<{ sessionId: string }, SessionView | null>;
    listSessionsPage: Query<{ paginationOpts: PaginationOptions; workerId?: string }, PaginationResult<SessionView>>;
    listMessages: Query<{ sessionId: string; paginationOpts: PaginationOptions }, PaginationResult<MessageView>>;
    subscribeToChunks: Query<{ sessionId: string; messageId: string; after?: number; limit?: number }, ChunkView[]>;
  };
};
