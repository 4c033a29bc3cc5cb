// Written by `make codegen` from the Python functions and tables. Do not edit: change those, and run it again.

import type { GenericId } from "convex/values";

/** The id of a document of a table. */
export type Id<Name extends TableName> = GenericId<Name>;

/** Every table, and what its documents hold. */
export interface Tables {
  /** What an org's replies cost on one UTC day; the id is the day. */
  budgets: {
    _id: Id<"budgets">;
    _creationTime: number;
    spent: number;
  };
  /**
   * A piece of a reply while it is being written (004-03). `reply` names message and epoch: a writer that lost its lease
   * writes where no reader looks.
   */
  chatChunks: {
    _id: Id<"chatChunks">;
    _creationTime: number;
    reply: string;
    sequence: number;
    messageId: string;
    sessionId: string;
    chunk: string;
    timestamp: number;
    expiresAt: number;
  };
  /** One entry of a log (004-02). Id, role and order never change; a reply's content is set once, when it ends. */
  chatMessages: {
    _id: Id<"chatMessages">;
    _creationTime: number;
    conversation: string;
    sequence: number;
    sessionId: string;
    role: "user" | "assistant" | "system" | "tool";
    content: string;
    completed: boolean;
    status: "pending" | "completed" | "failed" | "aborted" | "interrupted";
    timestamp: number;
    model?: string;
    reasoning?: string;
    parts?: any[];
    usage?: Record<string, any>;
    reason?: string;
    agentId?: string;
    metadata?: any;
    clientKey?: string;
    named?: string;
  };
  /** What a user lists, names, resumes and ends (004-01). Times are milliseconds since the epoch. */
  chatSessions: {
    _id: Id<"chatSessions">;
    _creationTime: number;
    conversation: string;
    imageId: string;
    userId?: string;
    org: string;
    workerId?: string;
    model?: string;
    name?: string;
    status: "active" | "idle" | "terminated";
    lastActivity: number;
    agentSessionId?: string;
    ready: boolean;
  };
  /** A send's own key: the same key is the same send (invariant 6). */
  clientKeys: {
    _id: Id<"clientKeys">;
    _creationTime: number;
    content: string;
    messageId: string;
    expiresAt: number;
  };
  /** An append-only log between participants. `responder` says who answers a user's message (seed 003, 004). */
  conversations: {
    _id: Id<"conversations">;
    _creationTime: number;
    conversationId: string;
    type: "user-agent" | "agent-agent";
    responder: "none" | "model" | "worker" | "agent";
    participants: Record<string, any>;
    status: "active" | "closed" | "archived";
    title?: string;
    messageCount: number;
    activeRun?: string;
    queuedRuns: string[];
    updatedAt: number;
    sessionId?: string;
    imageId?: string;
    metadata?: any;
    lastMessageAt?: number;
    entryBytes: number;
    participantsKey?: string;
    anchor?: string;
  };
  /** The receipt of a deletion: what is gone, and what is still to go (003-23, 003-U02). It names ids, never contents. */
  erasures: {
    _id: Id<"erasures">;
    _creationTime: number;
    requestedBy: string;
    state: "running" | "completed";
    conversationIds: string[];
    conversations: number;
    messages: number;
    erased: Record<string, number>;
    digest: string;
    startedAt: number;
    completedAt?: number;
    residueUntil: number;
    todo: string[];
    filters?: Record<string, any>;
    children: Record<string, any>[];
  };
  /** A conversation's own copy of its configuration, taken when it was created. */
  images: {
    _id: Id<"images">;
    _creationTime: number;
    conversation: string;
    systemPrompt: string;
    model: string;
    domainId?: string;
    parentImageId?: string;
  };
  /** One member of one conversation: the truth for access and for "my conversations". */
  participants: {
    _id: Id<"participants">;
    _creationTime: number;
    conversation: string;
    member: string;
    kind: "user" | "agent";
    guest?: string;
    conversationType: "user-agent" | "agent-agent";
    since: number;
  };
  /**
   * One reply being produced. `epoch` rises whenever somebody else may write; `read_epoch` is the one whose pieces count
   * when the run was ended from outside.
   */
  runs: {
    _id: Id<"runs">;
    _creationTime: number;
    org: string;
    conversation: string;
    sessionId: string;
    messageId: string;
    sequence: number;
    model: string;
    state: "pending" | "running" | "completed" | "failed" | "aborted" | "interrupted";
    epoch: number;
    readEpoch?: number;
    ending?: string;
    leaseUntil: number;
    reason?: string;
    usage?: Record<string, any>;
  };
}

export type TableName = keyof Tables;

/** A document of a table. */
export type Doc<Name extends TableName> = Tables[Name];

/** A piece of a reply that is being written (004-03). */
export interface ChunkView {
  chunkId: string;
  messageId: string;
  sequence: number;
  chunk: string;
  timestamp: number;
}

/** One entry of the log (003-20). It never changes; `timestamp` is milliseconds since the epoch, rising in a conversation. */
export interface ConversationMessage {
  id: string;
  role: "user" | "agent" | "system";
  content: string;
  timestamp: number;
  sequence: number;
  agentId?: string;
  metadata?: any;
  contentTruncated?: boolean;
}

/** A conversation (003-04 to 10). Times are milliseconds since the epoch. */
export interface ConversationView {
  conversationId: string;
  type: "user-agent" | "agent-agent";
  participants: Participants;
  messages: ConversationMessage[];
  messageCount: number;
  createdAt: number;
  updatedAt: number;
  status: "active" | "closed" | "archived";
  metadata?: any;
  lastMessageAt?: number;
  title?: string;
  messagesTruncated?: boolean;
}

/** Several deleted conversations, or with `dryRun` those that would be (003-U03). */
export interface DeletedManyView {
  dryRun: boolean;
  deleted: number;
  totalMessagesDeleted: number;
  conversationIds: string[];
  wouldDelete?: number;
  wouldDeleteMessages?: number;
  notFound?: string[];
  receiptId?: string;
  state: "running" | "completed";
}

/** A deleted conversation (003-23, U02). `state` says whether its log is already erased; the receipt says when it was. */
export interface DeletedView {
  deleted: boolean;
  conversationId: string;
  messagesDeleted: number;
  deletedAt: number;
  restorable: boolean;
  receiptId: string;
  state: "running" | "completed";
}

/** The receipt of a deletion. It names ids and numbers, never contents. Times are milliseconds since the epoch. */
export interface ErasureView {
  receiptId: string;
  state: "running" | "completed";
  requestedBy: string;
  conversations: number;
  conversationIds: string[];
  messages: number;
  erased: Record<string, number>;
  digest: string;
  startedAt: number;
  residueUntil: number;
  completedAt?: number;
}

/** A page of a log. */
export interface HistoryView {
  conversationId: string;
  messages: ConversationMessage[];
  total: number;
  hasMore: boolean;
  nextOffset: number;
}

/** How many messages, both bounds included (003-U04). */
export interface MessageCountRange {
  min?: number; // at least 0
  max?: number; // at least 0
}

/** One entry of the log (004-02). A reply has its content when it is `completed`; until then it arrives as chunks. */
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
  usage?: Record<string, any>;
  reason?: string;
  reasoning?: string;
  parts?: any[];
}

/** A message to add (003-20). */
export interface NewMessage {
  id?: string;
  role: "user" | "agent" | "system";
  content: string; // at least 1 long
  agentId?: string;
  metadata?: any;
}

/** Who takes part (003-06): user and agent of a `user-agent` conversation, the agents of an `agent-agent` one. */
export interface Participants {
  userId?: string;
  agentId?: string;
  agentIds?: string[];
}

/** A session as its owner sees it (004-01). Times are milliseconds since the epoch. */
export interface SessionView {
  sessionId: string;
  _id: string;
  _creationTime: number;
  name: string;
  status: "active" | "idle" | "terminated";
  userId: string;
  createdAt: number;
  lastActivity: number;
  ready: boolean;
  model?: string;
  workerId?: string;
  agentSessionId?: string;
}
