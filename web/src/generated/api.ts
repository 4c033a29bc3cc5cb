// Written by `make codegen` from the Python functions and tables. Do not edit: change those, and run it again.

import { anyApi, type FunctionReference, type PaginationOptions, type PaginationResult } from "convex/server";
import type {
  ChunkView,
  ConversationMessage,
  ConversationView,
  DeletedManyView,
  DeletedView,
  ErasureView,
  HistoryView,
  MessageCountRange,
  MessageView,
  NewMessage,
  Participants,
  SessionView,
} from "./dataModel";

type Query<Args extends Record<string, any>, Result> = FunctionReference<"query", "public", Args, Result>;
type Mutation<Args extends Record<string, any>, Result> = FunctionReference<"mutation", "public", Args, Result>;
type Action<Args extends Record<string, any>, Result> = FunctionReference<"action", "public", Args, Result>;

/** Every public function of the deployment; its comment is its Python docstring. */
export interface Api {
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
  };
}

export const api = anyApi as unknown as Api;

/** The codes of refusals that the functions' source names; the engine has some of its own. */
export type ErrorCode =
  | "BudgetExceeded"
  | "ClientKeyReused"
  | "LeaseLost"
  | "MessageNotFound"
  | "QueueFull"
  | "ReplyEnded"
  | "SequenceReused"
  | "SessionNotFound"
  | "SessionTerminated"
  | "Unauthorized"
  | (string & {});

/** The data of a `ConvexError`. */
export interface ErrorData {
  code: ErrorCode;
  message: string;
}
