const DAY_MS = 86_400_000;
const clock = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const date = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

/** A time, as short as it can be said: the clock for the last hours, else the date. `at`: milliseconds since the epoch. */
export function When({ at }: { at: number }) {
  const then = new Date(at);
  return (
    <time dateTime={then.toISOString()} title={exact.format(then)}>
      {(Date.now() - at < DAY_MS / 2 ? clock : date).format(then)}
    </time>
  );
}
