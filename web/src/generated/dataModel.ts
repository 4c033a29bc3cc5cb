// Interim; `make codegen` writes this file from the Python tables.
export type Id<_Table extends string> = string;
