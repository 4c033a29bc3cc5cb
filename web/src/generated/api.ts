// Written by `make codegen` from the Python functions and tables. Do not edit: change those, and run it again.

import { anyApi, type FunctionReference, type PaginationOptions, type PaginationResult } from "convex/server";
import type {
  AgentView,
  ChunkView,
  Connected,
  ConversationMessage,
  ConversationView,
  DeletedManyView,
  DeletedView,
  ErasureView,
  ExportFilters,
  ExportPart,
  HistoryView,
  Joined,
  MessageCountRange,
  MessageView,
  Messages,
  NewMessage,
  Online,
  Opened,
  ParticipantView,
  Participants,
  ReadView,
  Registered,
  RoomMessage,
  RoomPage,
  RoomView,
  SearchAnswer,
  SearchFilters,
  Sent,
  SessionView,
  Settings,
  Statistics,
  Unread,
} from "./dataModel";

type Query<Args extends Record<string, any>, Result> = FunctionReference<"query", "public", Args, Result>;
type Mutation<Args extends Record<string, any>, Result> = FunctionReference<"mutation", "public", Args, Result>;
type Action<Args extends Record<string, any>, Result> = FunctionReference<"action", "public", Args, Result>;

/** Every public function of the deployment; its comment is its Python docstring. */
export interface Api {
  agents: {
    /**
     * Let a suspended agent in again.
     * @param agentId at least 1 long, at most 128 long, like ^[A-Za-z0-9][A-Za-z0-9_.-]*$
     */
    activate: Mutation<{ agentId: string }, null>;
    /**
     * A token for the chat gateway: for the agent's owner, or for whoever has its secret (then no other token is needed).
     * @param agentId at least 1 long, at most 128 long, like ^[A-Za-z0-9][A-Za-z0-9_.-]*$
     * @param secret at most 4096 long
     * @param ttlSeconds at least 60, at most 86400
     */
    connect: Action<{ agentId: string; secret?: string; ttlSeconds?: number }, Connected>;
    /**
     * Register an agent of the caller's, under an id of its own choice or a new one. Its secret is shown this once.
     * @param id at least 1 long, at most 128 long, like ^[A-Za-z0-9][A-Za-z0-9_.-]*$
     */
    create: Action<{ id?: string; settings?: Settings }, Registered>;
    /**
     * End all sockets and tokens of an agent. Its secret stays good.
     * @param agentId at least 1 long, at most 128 long, like ^[A-Za-z0-9][A-Za-z0-9_.-]*$
     */
    disconnect: Mutation<{ agentId: string }, null>;
    /**
     * An agent, for its owner and itself; null for strangers.
     * @param agentId at least 1 long, at most 128 long, like ^[A-Za-z0-9][A-Za-z0-9_.-]*$
     */
    get: Query<{ agentId: string }, AgentView | null>;
    /**
     * An agent says that it is well, and how (002-U11). Its presence does not hang on this: sockets do.
     * @param agentId at least 1 long, at most 128 long, like ^[A-Za-z0-9][A-Za-z0-9_.-]*$
     * @param status at least 1 long, at most 200 long
     */
    heartbeat: Mutation<{ agentId: string; status?: string; metrics?: Record<string, any> }, boolean>;
    /** The caller's agents, newest first: the 100 newest. */
    list: Query<Record<string, never>, AgentView[]>;
    /**
     * A new secret, shown this once; the old one, all tokens and all sockets are over (002-U11).
     * @param agentId at least 1 long, at most 128 long, like ^[A-Za-z0-9][A-Za-z0-9_.-]*$
     */
    regenerate: Action<{ agentId: string }, Registered>;
    /**
     * Refuse an agent from now on; its sockets end at once.
     * @param agentId at least 1 long, at most 128 long, like ^[A-Za-z0-9][A-Za-z0-9_.-]*$
     */
    suspend: Mutation<{ agentId: string }, null>;
    /**
     * Change what its owner decides.
     * @param agentId at least 1 long, at most 128 long, like ^[A-Za-z0-9][A-Za-z0-9_.-]*$
     */
    update: Mutation<{ agentId: string; settings: Settings }, AgentView>;
  };
  chat: {
    /**
     * End a reply with its whole text (004-09); only the worker that holds the session, or the service. Twice is once.
     * @param content at most 300000 long
     */
    completeMessage: Mutation<
      {
        sessionId: string;
        messageId: string;
        content: string;
        reasoning?: string;
        parts?: any[];
        usage?: Record<string, any>;
      },
      null
    >;
    /** End a session for good (004-06, 004-52). A running reply is stopped; the messages stay readable. */
    endSession: Mutation<{ sessionId: string }, null>;
    /**
     * The newest messages of a session, oldest first (004-13); `before` a sequence number for older ones. Strangers get [].
     * @param limit at least 1, at most 200
     */
    getMessages: Query<{ sessionId: string; limit?: number; before?: number }, MessageView[]>;
    /** A session (004-11), or null for strangers. */
    getSession: Query<{ sessionId: string }, SessionView | null>;
    /** A session's messages page by page, newest first, for `usePaginatedQuery`. Strangers get an empty page. */
    listMessages: Query<{ sessionId: string; paginationOpts: PaginationOptions }, PaginationResult<MessageView>>;
    /** The caller's sessions, newest activity first (004-12): the 100 newest, optionally of one worker or status. */
    listSessions: Query<{ workerId?: string; status?: "active" | "idle" | "terminated" }, SessionView[]>;
    /** The caller's sessions page by page, newest first by creation: pages stay put while activity moves. */
    listSessionsPage: Query<{ paginationOpts: PaginationOptions; workerId?: string }, PaginationResult<SessionView>>;
    /** Make an idle session active again (004-38, 004-51). One that was ended stays ended. Returns its id. */
    resumeSession: Mutation<{ sessionId: string }, string>;
    /**
     * Write a message and have it answered (004-07). Returns the id of the reply, which is a placeholder until it is written.
     *
     * The same `clientKey` is the same send: it returns the same id, and other content under it is refused. A send during a
     * reply waits its turn (`onBusy: "enqueue"`), at most 100 of them.
     * @param content at least 1 long, at most 10000 long
     * @param model at least 1 long, at most 200 long
     * @param clientKey at least 1 long, at most 200 long
     */
    sendMessage: Mutation<
      {
        sessionId: string;
        content: string;
        model?: string;
        clientKey?: string;
        onBusy?: "enqueue";
      },
      string
    >;
    /** The worker has set the session up (004-10); it may name its own session, to restore it later. */
    sessionReady: Mutation<{ sessionId: string; agentSessionId?: string }, null>;
    /**
     * Open a session with its conversation and image (004-05). Without a worker the model answers. Returns the session's id.
     * @param model at least 1 long, at most 200 long
     * @param workerId at least 1 long, at most 200 long
     * @param domainId at least 1 long, at most 200 long
     * @param name at least 1 long, at most 200 long
     */
    startSession: Mutation<{ model?: string; workerId?: string; domainId?: string; name?: string }, string>;
    /** Stop the running reply, or the named one. What it said stays. Returns whether there was anything to stop. */
    stop: Mutation<{ sessionId: string; messageId?: string }, boolean>;
    /**
     * Pieces of a reply after a sequence number, in order, a page at a time (004-15). Without `after`: the last page.
     *
     * A watcher moves `after` to the last sequence it has; then a reply costs it bytes in proportion to its length.
     * @param limit at least 1, at most 64
     */
    subscribeToChunks: Query<{ sessionId: string; messageId: string; after?: number; limit?: number }, ChunkView[]>;
    /**
     * The same as `getMessages` (004-14): every query is a subscription.
     * @param limit at least 1, at most 200
     */
    subscribeToMessages: Query<{ sessionId: string; limit?: number; before?: number }, MessageView[]>;
    /**
     * Add a piece to a reply (004-08); only the worker that holds the session, or the service.
     *
     * The same piece twice is one; another piece under its number is refused, and so is any after the reply has ended. The
     * first piece claims the reply for this worker.
     * @param chunk at most 32000 long
     * @param sequence at least 0
     */
    writeChunk: Mutation<
      {
        sessionId: string;
        messageId: string;
        chunk: string;
        sequence: number;
        epoch?: number;
      },
      null
    >;
  };
  conversations: {
    /**
     * Add a message to the end of a conversation (003-19, T09…T12). Returns the conversation as it now is.
     *
     * Args:
     * message: with an `id` of the caller's own it is added once: the same again changes nothing.
     * tail: how many of the newest messages the result shows; without it as many as 96 KB hold. A result is kept with its
     * commit, so a writer who does not read it says 0 or 1, and its appends cost the same at any length of the log.
     *
     * Refuses: `CONVERSATION_NOT_FOUND`, `ROLE_NOT_ALLOWED`, `EMPTY_STRING`, `CONTENT_TOO_LONG`, `MESSAGE_ALREADY_EXISTS`,
     * `CONVERSATION_NOT_ACTIVE`.
     * @param tail at least 0
     */
    addMessage: Mutation<{ conversationId: string; message: NewMessage; tail?: number }, ConversationView>;
    /**
     * How many conversations `list` would find, exactly (003-22, T19…T22). What the caller may not see is not counted.
     * @param userId at least 1 long
     * @param agentId at least 1 long
     */
    count: Query<{ type?: "user-agent" | "agent-agent"; userId?: string; agentId?: string }, number>;
    /**
     * Open a conversation (003-17, T01…T06).
     *
     * Args:
     * type: `user-agent` needs `userId` and `agentId`; `agent-agent` needs 2 to 20 `agentIds`.
     * conversation_id: the caller's own, unique in the org; without it a new one, `conv-…`.
     * metadata: any JSON value up to 16 KB.
     *
     * Refuses: `CONVERSATION_ALREADY_EXISTS`, `INVALID_PARTICIPANTS`, `INVALID_ID_FORMAT`, `DUPLICATE_VALUES`.
     */
    create: Mutation<
      {
        type: "user-agent" | "agent-agent";
        participants: Participants;
        conversationId?: string;
        metadata?: any;
      },
      ConversationView
    >;
    /**
     * Delete a conversation for good (003-23, T23, T24, U02): at once for every reader, its log behind it if it is long.
     *
     * The user whose conversation it is, or the org's backend. The receipt (`getErasure`) says what was erased.
     * Refuses: `CONVERSATION_NOT_FOUND`, `FORBIDDEN`.
     */
    delete: Mutation<{ conversationId: string }, DeletedView>;
    /** Delete up to 100 conversations by their ids (003-U01); `notFound` lists those that are not there, or not the caller's. */
    deleteByIds: Action<{ conversationIds: string[] }, DeletedManyView>;
    /**
     * Delete every conversation that fits (003-U03). A user deletes its own; the org's backend anybody's.
     *
     * Args:
     * dry_run: only say how many conversations and messages it would be.
     * confirmation_threshold: more than this many are refused; whoever means it raises the number.
     *
     * Refuses: `MISSING_REQUIRED_FIELD` without a filter, `DELETE_MANY_THRESHOLD_EXCEEDED`, `FORBIDDEN`.
     * @param userId at least 1 long
     * @param agentId at least 1 long
     * @param confirmationThreshold at least 0
     */
    deleteMany: Action<
      {
        type?: "user-agent" | "agent-agent";
        userId?: string;
        agentId?: string;
        dryRun?: boolean;
        confirmationThreshold?: number;
      },
      DeletedManyView
    >;
    /**
     * Conversations with all their messages as text, `json` or `csv`, newest first (003-U01).
     *
     * A part holds 96 KB; when `isDone` is false, call again with `continueCursor`. See `conversation_export.py`.
     */
    export: Query<
      {
        format: "json" | "csv";
        filters?: ExportFilters;
        includeMetadata?: boolean;
        cursor?: string;
      },
      ExportPart
    >;
    /** The conversation between exactly these participants, whatever their order: the one of `getOrCreate`, else the oldest. */
    findConversation: Query<
      {
        type: "user-agent" | "agent-agent";
        participants: Participants;
      },
      ConversationView | null
    >;
    /** A conversation with its messages (003-18, T07, T08): all of them while they fit 96 KB, else the newest that fit. */
    get: Query<{ conversationId: string }, ConversationView | null>;
    /** The receipt of a deletion, for who asked for it and for the org's backend; null for others. */
    getErasure: Query<{ receiptId: string }, ErasureView | null>;
    /**
     * A page of a log (003-U01): up to `limit` messages after `offset`, from the oldest or from the newest.
     *
     * A page weighs 96 KB at most; `nextOffset` says where the next one starts. Refuses: `CONVERSATION_NOT_FOUND`.
     * @param limit at least 1, at most 1000
     * @param offset at least 0
     */
    getHistory: Query<
      {
        conversationId: string;
        limit?: number;
        offset?: number;
        sortOrder?: "asc" | "desc";
      },
      HistoryView
    >;
    /** One message, whole; null when it or its conversation is not there (003-U01). */
    getMessage: Query<{ conversationId: string; messageId: string }, ConversationMessage | null>;
    /** Up to 100 messages of one conversation in the order of the log; ids that are not there are left out (003-U01). */
    getMessagesByIds: Query<{ conversationId: string; messageIds: string[] }, ConversationMessage[]>;
    /**
     * The conversation between exactly these participants; opened if there is none (003-U01).
     *
     * There is one such conversation, kept by a claim of the store: fifty simultaneous calls make one.
     */
    getOrCreate: Mutation<
      {
        type: "user-agent" | "agent-agent";
        participants: Participants;
        metadata?: any;
      },
      ConversationView
    >;
    /**
     * The conversations that the caller may see (003-21, T13…T18, U04), newest first; the org's backend sees all.
     *
     * Args:
     * user_id: `participants.userId`. agent_id: an agent that takes part. participant_id: either, joined ones included.
     * limit: 1 to 1000. offset: how many to pass over. Beyond 900 together, go on with `createdBefore`.
     * message_count: an exact number, or `{min?, max?}`.
     * created_after: in milliseconds since the epoch, as its three siblings; the value itself is outside.
     * include_messages: whether each brings its messages; together they weigh 96 KB at most.
     *
     * Refuses: `INVALID_RANGE`, `INVALID_DATE_RANGE`, `FILTER_TOO_BROAD`.
     * @param userId at least 1 long
     * @param agentId at least 1 long
     * @param participantId at least 1 long
     * @param limit at least 1, at most 1000
     * @param offset at least 0
     */
    list: Query<
      {
        type?: "user-agent" | "agent-agent";
        userId?: string;
        agentId?: string;
        participantId?: string;
        limit?: number;
        offset?: number;
        sortBy?: "createdAt" | "updatedAt" | "lastMessageAt" | "messageCount";
        sortOrder?: "asc" | "desc";
        messageCount?: number | MessageCountRange;
        createdAfter?: number;
        createdBefore?: number;
        updatedAfter?: number;
        updatedBefore?: number;
        includeMessages?: boolean;
      },
      ConversationView[]
    >;
    /** Delete every conversation of the org that is there now (003-U01). Only the org's backend, and only with `confirm`. */
    purgeAll: Action<{ confirm?: boolean }, DeletedManyView>;
    /**
     * Conversations in which all words of `query` occur, best first, with score and highlights (003-U01).
     *
     * A bounded scan of the newest conversations that fit: `conversation_search.py` says what it compares and where it ends.
     * @param query at least 1 long, at most 200 long
     */
    search: Query<{ query: string; filters?: SearchFilters }, SearchAnswer>;
  };
  feeds: {
    /**
     * What a socket has not been told yet: `{events, next, more, close?}`.
     *
     * Args:
     * seen: the cursor, by conversation.
     */
    feed: Query<{ socket: string; seen?: Record<string, any> }, Record<string, any>>;
  };
  gateway: {
    /**
     * Join a conversation (002-26): as its member, or as who may come in, who becomes one. Twice is once.
     * @param conversationId at most 512 long
     * @param socket at least 1 long, at most 200 long
     */
    join: Mutation<{ conversationId: string; socket: string }, Joined>;
    /**
     * Leave a conversation, or the current one; it stays one's own. Returns its id.
     * @param socket at least 1 long, at most 200 long
     * @param conversationId at most 512 long
     */
    leave: Mutation<{ socket: string; conversationId?: string }, string | null>;
    /**
     * Who is online in a conversation, agents too.
     * @param conversationId at most 512 long
     * @param socket at least 1 long, at most 200 long
     */
    online: Query<{ conversationId?: string; socket?: string }, Online>;
    /**
     * A socket begins. An agent's joins its conversation by itself, which is found or made (002-05…09, 18…22).
     *
     * Args:
     * offset: where an earlier socket of this client stood: its conversations are joined again, and nothing is missed.
     * history: how many messages of the past are told; for an agent its owner's setting is the default (002-37).
     * conversation_id: joined as well.
     * @param socket at least 1 long, at most 200 long
     * @param offset at most 4000 long
     * @param history at least 0, at most 50
     * @param conversationId at most 512 long
     */
    open: Mutation<{ socket: string; offset?: string; history?: number; conversationId?: string }, Opened>;
    /**
     * This socket's user types, or stops; who says nothing more has stopped after six seconds.
     * @param socket at least 1 long, at most 200 long
     * @param conversationId at most 512 long
     */
    typing: Mutation<{ socket: string; isTyping: boolean; conversationId?: string }, null>;
  };
  history: {
    /**
     * The newest messages that fit, oldest first; null for strangers. With a filter the newest thousand are looked through.
     * @param limit at least 1, at most 200
     * @param before at least 1, at most 9007199254740992
     */
    messages: Query<
      {
        conversationId: string;
        limit?: number;
        before?: number;
        role?: "user" | "assistant" | "system" | "tool";
        attachments?: boolean;
      },
      Messages | null
    >;
    /**
     * The newest messages that contain a text, whatever its case; null for strangers. Looks through a thousand at a time.
     * @param text at least 1 long, at most 200 long
     * @param limit at least 1, at most 200
     * @param before at least 1, at most 9007199254740992
     */
    search: Query<{ conversationId: string; text: string; limit?: number; before?: number }, Messages | null>;
    /** A conversation in numbers; null for strangers. */
    statistics: Query<{ conversationId: string }, Statistics | null>;
    /**
     * A message, and everything that answers it (`parentId`), among the newest thousand; null when it is not there.
     * @param messageId at most 200 long
     */
    thread: Query<{ conversationId: string; messageId: string }, RoomMessage[] | null>;
  };
  receipts: {
    /** How far everybody has read a conversation. Strangers get []. */
    get: Query<{ conversationId: string }, ReadView[]>;
    /** The caller has read up to this message. Reading an earlier one again changes nothing. */
    read: Mutation<{ conversationId: string; messageId: string }, ReadView>;
    /** How many messages of others the caller has not read; null for strangers. */
    unread: Query<{ conversationId: string }, Unread | null>;
  };
  rooms: {
    /**
     * Let somebody take part (002-28): by a member, or by who may come in anyway. Twice is once.
     * @param participantId at least 1 long, at most 512 long
     */
    addParticipant: Mutation<
      {
        conversationId: string;
        participantType: "user" | "agent";
        participantId: string;
      },
      RoomView
    >;
    /** Put a conversation away; it stays readable. Its agent's next connection makes a new one (002-22). */
    archive: Mutation<{ conversationId: string }, RoomView>;
    /** End a conversation; it stays readable. Its agent's next connection makes a new one (002-22). */
    close: Mutation<{ conversationId: string }, RoomView>;
    /**
     * Open a conversation by hand (002-32): with an agent that is the caller's or open to the org, or with nobody yet.
     *
     * An agent opens one of its own only if several are allowed to it (`multiConversation`, 002-35).
     * @param title at least 1 long, at most 200 long
     * @param description at most 2000 long
     * @param agentId at least 1 long, at most 512 long
     */
    create: Mutation<{ title?: string; description?: string; agentId?: string }, RoomView>;
    /** A conversation with its members; null for strangers. */
    get: Query<{ conversationId: string }, RoomView | null>;
    /**
     * Conversations that the caller takes part in, or of an agent that they may talk to (002-27), newest first.
     *
     * A status is looked for among the 200 newest from `offset` on; `isDone` says when there are no more.
     * @param agentId at least 1 long, at most 512 long
     * @param limit at least 1, at most 30
     * @param offset at least 0, at most 800
     */
    list: Query<
      {
        agentId?: string;
        status?: "active" | "closed" | "archived";
        limit?: number;
        offset?: number;
      },
      RoomPage
    >;
    /** Who takes part; [] for strangers. */
    participants: Query<{ conversationId: string }, ParticipantView[]>;
    /**
     * Take somebody out: themselves, or by a member who is not a guest of an agent's room. Their sockets are told to leave.
     * @param participantId at least 1 long, at most 512 long
     */
    removeParticipant: Mutation<
      {
        conversationId: string;
        participantType: "user" | "agent";
        participantId: string;
      },
      RoomView
    >;
    /** Bring the caller to the connected agent that is open to the org and has the fewest people in its room (002-38). */
    route: Mutation<Record<string, never>, RoomView>;
    /**
     * Write a message (002-23, U07). The role is the caller's own voice, and need not be said; without `conversationId` it
     * goes where the socket is (002-U05). An attachment is an http(s) address, or `document:` and an id (002-U08).
     * @param content at most 100000 long
     * @param name at most 200 long
     * @param parentId at most 200 long
     * @param toolCalls at most 100 long
     * @param toolResults at most 100 long
     * @param error at most 10000 long
     * @param attachments at most 20 long
     */
    send: Mutation<
      {
        content: string;
        conversationId?: string;
        role?: "user" | "assistant" | "system" | "tool";
        type?: "text" | "thinking" | "tool_call" | "tool_result" | "error" | "system";
        name?: string;
        parentId?: string;
        toolCalls?: any[];
        toolResults?: any[];
        thinking?: Record<string, any>;
        usage?: Record<string, any>;
        latency?: number;
        error?: string;
        attachments?: string[];
        socket?: string;
      },
      Sent
    >;
    /**
     * Name a conversation, or say what it is about (002-39).
     * @param title at least 1 long, at most 200 long
     * @param description at most 2000 long
     */
    update: Mutation<{ conversationId: string; title?: string; description?: string }, RoomView>;
  };
  summaries: {
    /** Have the summary written anew, in the background. It appears in the conversation. */
    ask: Mutation<{ conversationId: string }, boolean>;
  };
}

export const api = anyApi as unknown as Api;

/** The codes of refusals that the functions' source names; the engine has some of its own. */
export type ErrorCode =
  | "AgentExists"
  | "AgentNotFound"
  | "AgentSuspended"
  | "BadCredentials"
  | "BudgetExceeded"
  | "ClientKeyReused"
  | "ConversationClosed"
  | "ConversationNotFound"
  | "Forbidden"
  | "InvalidAttachments"
  | "LeaseLost"
  | "MessageNotFound"
  | "MessageTooLarge"
  | "NoConversation"
  | "NotConfigured"
  | "QueueFull"
  | "ReplyEnded"
  | "RoleNotAllowed"
  | "SequenceReused"
  | "SessionNotFound"
  | "SessionTerminated"
  | "SocketExists"
  | "SocketNotFound"
  | "TooManyAgents"
  | "TooManyParticipants"
  | "TooManyRooms"
  | "Unauthorized"
  | "UserNotFound"
  | (string & {});

/** The data of a `ConvexError`. */
export interface ErrorData {
  code: ErrorCode;
  message: string;
}
