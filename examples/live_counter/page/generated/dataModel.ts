// Written by `make codegen` from the Python functions and tables. Do not edit: change those, and run it again.

import type { GenericId } from "convex/values";

/** The id of a document of a table. */
export type Id<Name extends TableName> = GenericId<Name>;

/** Every table, and what its documents hold. */
export interface Tables {
  /** A number that people see change; the name is its id. */
  liveCounters: {
    _id: Id<"liveCounters">;
    _creationTime: number;
    value: number;
    lastBy?: string;
  };
}

export type TableName = keyof Tables;

/** A document of a table. */
export type Doc<Name extends TableName> = Tables[Name];
