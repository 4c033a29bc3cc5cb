import type { FunctionReturnType } from "convex/server";
import type { api } from "./api";

/** What the backend tells of each noun: whatever its functions return. */
export type SessionView = NonNullable<FunctionReturnType<typeof api.chat.getSession>>;
export type SessionHit = FunctionReturnType<typeof api.chat.search>[number];
export type Piece = SessionHit["name"][number];
export type MessageView = FunctionReturnType<typeof api.chat.listMessages>["page"][number];
export type ChunkText = FunctionReturnType<typeof api.chat.followReply>[number];
export type DomainView = FunctionReturnType<typeof api.domains.list>[number];
export type ImageView = NonNullable<FunctionReturnType<typeof api.images.get>>;
export type ToolServerView = FunctionReturnType<typeof api.images.tools>[number];
export type TaskView = FunctionReturnType<typeof api.tasks.list>[number];
export type ScheduleView = FunctionReturnType<typeof api.schedules.list>[number];
export type AgentRunView = FunctionReturnType<typeof api.tasks.runs>[number];
export type MachineView = FunctionReturnType<typeof api.machines.list>[number];
export type WorkerView = NonNullable<FunctionReturnType<typeof api.workers.get>>;
export type AskingView = NonNullable<FunctionReturnType<typeof api.workers.pendingByCode>>;
export type PermissionView = FunctionReturnType<typeof api.permissions.list>[number];
