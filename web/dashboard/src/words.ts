/** Numbers, times and values as people read them. */
export const count = (value: number) => value.toLocaleString("en");

export function ms(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  return value < 10 ? `${value.toFixed(1)} ms` : value < 10_000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(1)} s`;
}

export function clock(at: number): string {
  return new Date(at).toLocaleTimeString("en-GB", { hour12: false });
}

export function moment(at: number): string {
  return new Date(at).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" });
}

export function bytes(value: number): string {
  return value < 1024 ? `${value} B` : `${(value / 1024).toFixed(1)} KB`;
}

export function dollars(value: number | null): string {
  if (value === null) return "–";
  return value === 0 || value >= 0.01 ? `$${value.toFixed(2)}` : `$${value.toPrecision(2)}`;
}

/** A value in one line, for a cell. */
export function inline(value: unknown): string {
  if (value === undefined) return "";
  if (typeof value === "string") return value;
  return JSON.stringify(value, (_, part) => (typeof part === "bigint" ? `${part}n` : part)) ?? "";
}

/** What a person has typed for a field: JSON where it is, else the text itself. */
export function typed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** What a person has typed for a field that holds texts: the text itself, also where it looks like a number; quotes may stand around it. */
export function typedFor(type: string | undefined, text: string): unknown {
  const value = typed(text);
  return type?.startsWith("str") && typeof value !== "string" && !(value === null && type.includes("null")) ? text : value;
}
