// Written by `make codegen` from the Python functions and tables. Do not edit: change those, and run it again.

import { anyApi, type FunctionReference } from "convex/server";
import type { Doc } from "./dataModel";

type Query<Args extends Record<string, any>, Result> = FunctionReference<"query", "public", Args, Result>;
type Mutation<Args extends Record<string, any>, Result> = FunctionReference<"mutation", "public", Args, Result>;
type Action<Args extends Record<string, any>, Result> = FunctionReference<"action", "public", Args, Result>;

/** Every public function of the deployment; its comment is its Python docstring. */
export interface Api {
  live_counter: {
    /** Count. Returns the new value; two people who count at once both count. */
    add: Mutation<{ name: string; amount?: number }, number>;
    /** The highest counters, highest first. */
    highest: Query<{ limit?: number }, Doc<"liveCounters">[]>;
    /** What a counter says now. Who asks is told whenever it changes. */
    read: Query<{ name: string }, number>;
  };
}

export const api = anyApi as unknown as Api;

/** The codes of refusals that the functions' source names; the engine has some of its own. */
export type ErrorCode =
  | "NameLength"
  | "TooHigh"
  | (string & {});

/** The data of a `ConvexError`. */
export interface ErrorData {
  code: ErrorCode;
  message: string;
}
