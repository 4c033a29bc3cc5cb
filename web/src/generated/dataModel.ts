// Written by `make codegen` from the Python functions and tables. Do not edit: change those, and run it again.

import type { GenericId } from "convex/values";

/** The id of a document of a table. */
export type Id<Name extends TableName> = GenericId<Name>;

/** Every table, and what its documents hold. */
export interface Tables {
  /** Which conversation an agent's connection finds; the id is the agent's. One row, so that there is one (002-20). */
  agentRooms: {
    _id: Id<"agentRooms">;
    _creationTime: number;
    conversation: string;
  };
  /**
   * A program that takes part in conversations (seed 002). Its secret and tokens are signed by the backend, and stored nowhere:
   * a version makes the old ones void.
   */
  agents: {
    _id: Id<"agents">;
    _creationTime: number;
    owner: string;
    name?: string;
    status: "active" | "suspended";
    audience: "owner" | "org";
    instruction?: string;
    allowedTools: string[];
    secretVersion: number;
    tokenVersion: number;
    lastHeartbeat?: number;
    health?: string;
    metrics?: Record<string, any>;
    multiConversation: boolean;
    history: number;
    archiveDays?: number;
    roomTitle?: string;
  };
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
    said?: Said;
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
  /**
   * A connection to the chat gateway, leased; the id is the connection's. `rooms`: conversation → where its log was joined:
   * after which sequence, and which earlier replies were unfinished (`open`).
   */
  chatSockets: {
    _id: Id<"chatSockets">;
    _creationTime: number;
    org: string;
    member: string;
    kind: "user" | "agent";
    name: string;
    rooms: Record<string, any>;
    current?: string;
    history: number;
    leaseUntil: number;
    state: "open";
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
    room?: Room;
  };
  /** The receipt of a deletion: what is gone, and what is still to go (003-23, 003-U02). It names ids, never contents. */
  erasures: {
    _id: Id<"erasures">;
    _creationTime: number;
    org: string;
    requestedBy: string;
    state: "running" | "completed";
    touchedAt: number;
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
  /** A socket in a conversation. Somebody is online there while one of these is theirs (002-U06). */
  presences: {
    _id: Id<"presences">;
    _creationTime: number;
    conversation: string;
    socket: string;
    member: string;
    kind: "user" | "agent";
    name: string;
    typingUntil?: number;
  };
  /** How far somebody has read a conversation. Sending is reading; `told` is what was read by saying so (002-U03). */
  receipts: {
    _id: Id<"receipts">;
    _creationTime: number;
    conversation: string;
    member: string;
    kind: "user" | "agent";
    name: string;
    sequence: number;
    told: number;
    messageId?: string;
    readAt?: number;
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

/** An agent as its owner and itself see it. Times are milliseconds since the epoch. */
export interface AgentView {
  _id: string;
  agentId: string;
  name: string;
  owner: string;
  status: "active" | "suspended";
  online: boolean;
  audience: "owner" | "org";
  multiConversation: boolean;
  history: number;
  instruction?: string;
  allowedTools: string[];
  roomTitle?: string;
  archiveDays?: number;
  lastHeartbeat?: number;
  health?: string;
  metrics?: Record<string, any>;
  createdAt: number;
}

/** A piece of a reply that is being written (004-03). */
export interface ChunkView {
  chunkId: string;
  messageId: string;
  sequence: number;
  chunk: string;
  timestamp: number;
}

/** What an agent needs to take part (002-01): a token for `wss://host/chat`, and its instruction. */
export interface Connected {
  accessToken: string;
  tokenType: "Bearer";
  expiresIn: number;
  agentId: string;
  instruction?: string;
  allowedTools: string[];
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

/** Filters of a list; or the conversations by name. */
export interface ExportFilters {
  type?: "user-agent" | "agent-agent";
  userId?: string; // at least 1 long
  agentId?: string; // at least 1 long
  participantId?: string; // at least 1 long
  messageCount?: number | MessageCountRange;
  createdAfter?: number;
  createdBefore?: number;
  updatedAfter?: number;
  updatedBefore?: number;
  conversationIds?: string[];
  dateRange?: DateRange;
}

/** A part of an export. `count` is the number of conversations that begin in it. */
export interface ExportPart {
  format: "json" | "csv";
  data: string;
  count: number;
  isDone: boolean;
  continueCursor: string;
}

/** A page of a log. */
export interface HistoryView {
  conversationId: string;
  messages: ConversationMessage[];
  total: number;
  hasMore: boolean;
  nextOffset: number;
}

/** A conversation that a socket has joined. */
export interface Joined {
  conversationId: string;
  conversation: RoomView;
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

/** Messages, oldest first. `before` in `meta` is where older ones begin; null when there are none. */
export interface Messages {
  data: RoomMessage[];
  meta: MessagesMeta;
}

/** A message to add (003-20). */
export interface NewMessage {
  id?: string;
  role: "user" | "agent" | "system";
  content: string; // at least 1 long
  agentId?: string;
  metadata?: any;
}

/** Who is online in a conversation; `onlineUsers` are the ids of the users among them. */
export interface Online {
  conversationId: string;
  online: Here[];
  onlineUsers: string[];
}

/** What a new socket is told first. An agent finds its conversation here, and in `presence:update` (002-25). */
export interface Opened {
  socketId: string;
  type: string;
  userId?: string;
  agentId?: string;
  conversationId?: string;
  rooms: string[];
  recovered: boolean;
}

/** A member (002-16). */
export interface ParticipantView {
  type: "user" | "agent";
  id: string;
  joined: number;
}

/** Who takes part (003-06): user and agent of a `user-agent` conversation, the agents of an `agent-agent` one. */
export interface Participants {
  userId?: string;
  agentId?: string;
  agentIds?: string[];
}

/** How far a member has read. */
export interface ReadView {
  type: string;
  id: string;
  messageId?: string;
  sequence: number;
  readAt?: number;
}

/** An agent and its secret, which is shown this once. */
export interface Registered {
  agentId: string;
  secret: string;
}

/** The gateway's part of a conversation (002-12…17, 002-U09). Costs are millionths of a dollar. */
export interface Room {
  auto: boolean;
  description?: string;
  createdBy?: string;
  updatedBy?: string;
  totalTokens: number;
  totalCost: number;
  lastMessage?: string;
  summary?: string;
  summaryAt?: number;
  archiveAfterMs?: number;
}

/** A message (002-U07). `status` is `sending` while a reply is being written. */
export interface RoomMessage {
  _id: string;
  messageId: string;
  conversationId: string;
  sequence: number;
  role: "user" | "assistant" | "system" | "tool";
  content: string;
  type: "text" | "thinking" | "tool_call" | "tool_result" | "error" | "system";
  status: "sending" | "sent" | "delivered" | "failed";
  createdAt: number;
  participantId?: string;
  participantType?: "user" | "agent";
  name?: string;
  parentId?: string;
  toolCalls?: any[];
  toolResults?: any[];
  thinking?: Record<string, any>;
  usage?: Record<string, any>;
  latency?: number;
  error?: string;
  attachments?: string[];
}

/** A page of conversations, newest first. */
export interface RoomPage {
  data: RoomView[];
  meta: PageMeta;
}

/** A conversation (002-12…17). Times are milliseconds since the epoch, costs dollars. */
export interface RoomView {
  _id: string;
  conversationId: string;
  title: string;
  description?: string;
  agentId?: string;
  userId?: string;
  conversationType: "chat";
  status: "active" | "closed" | "archived";
  participants?: ParticipantView[];
  totalMessages: number;
  totalTokens: number;
  totalCost: number;
  lastMessage?: string;
  lastMessageAt?: number;
  summary?: string;
  orgId: string;
  createdBy?: string;
  updatedBy?: string;
  createdAt: number;
  updatedAt: number;
  isDeleted: boolean;
}

/** What a message of the chat gateway carries beside its text (002-U07, U08). */
export interface Said {
  participantId?: string;
  participantType?: "user" | "agent";
  origin?: string;
  type: "text" | "thinking" | "tool_call" | "tool_result" | "error" | "system";
  name?: string;
  parentId?: string;
  toolCalls?: any[];
  toolResults?: any[];
  thinking?: Record<string, any>;
  latency?: number;
  error?: string;
  attachments?: string[];
  cost: number;
}

/** Results, best first, and how far the search went. */
export interface SearchAnswer {
  results: SearchResult[];
  complete: boolean;
  searchedConversations: number;
  searchedMessages: number;
  continueBefore?: number;
}

/** Filters of a list, and how many results. */
export interface SearchFilters {
  type?: "user-agent" | "agent-agent";
  userId?: string; // at least 1 long
  agentId?: string; // at least 1 long
  participantId?: string; // at least 1 long
  messageCount?: number | MessageCountRange;
  createdAfter?: number;
  createdBefore?: number;
  updatedAfter?: number;
  updatedBefore?: number;
  limit: number; // at least 1, at most 100
}

/** What became of a message. */
export interface Sent {
  conversationId: string;
  message: RoomMessage;
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

/** What an agent's owner decides. */
export interface Settings {
  name?: string; // at least 1 long, at most 200 long
  instruction?: string; // at most 20000 long
  allowedTools?: string[]; // at most 200 long
  audience?: "owner" | "org";
  multiConversation?: boolean;
  history?: number; // at least 0, at most 50
  archiveDays?: number; // more than 0, at most 3650
  roomTitle?: string; // at least 1 long, at most 200 long
}

/** A conversation in numbers. `byRole` and `byType` are of the newest thousand messages. */
export interface Statistics {
  totalMessages: number;
  totalTokens: number;
  totalCost: number;
  byRole: Record<string, number>;
  byType: Record<string, number>;
  withAttachments: number;
  counted: number;
}

/** What the caller has not read of a conversation. */
export interface Unread {
  conversationId: string;
  unread: number;
  totalMessages: number;
}

/** Created from `start` to `end`, both included, in milliseconds since the epoch. */
export interface DateRange {
  start?: number;
  end?: number;
}

/** Somebody who is online in a conversation. */
export interface Here {
  type: string;
  id: string;
}

/** Where a list of messages goes on. */
export interface MessagesMeta {
  total: number;
  before?: number;
}

/** Where a list goes on: ask again with this `offset`. */
export interface PageMeta {
  count: number;
  isDone: boolean;
  offset: number;
}

/** A conversation with the words. */
export interface SearchResult {
  conversation: ConversationView;
  matchedMessages: ConversationMessage[];
  highlights: string[];
  score: number;
}
