const DAY_MS = 86_400_000;
const clock = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const date = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const moment = { weekday: "short", day: "numeric", month: "short", hour: "numeric", minute: "2-digit" } as const;
const thisYear = new Intl.DateTimeFormat(undefined, moment);
const anyYear = new Intl.DateTimeFormat(undefined, { ...moment, year: "numeric" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });

/** A time, as short as it can be said: the clock for the last hours, else the date. `at`: milliseconds since the epoch. */
export function When({ at }: { at: number }) {
  return <Time at={at} format={Date.now() - at < DAY_MS / 2 ? clock : date} />;
}

/** A day and a clock, past or to come, where the person is. `at`: milliseconds since the epoch. */
export function Moment({ at }: { at: number }) {
  return <Time at={at} format={new Date(at).getFullYear() === new Date().getFullYear() ? thisYear : anyYear} />;
}

function Time({ at, format }: { at: number; format: Intl.DateTimeFormat }) {
  const then = new Date(at);
  return (
    <time dateTime={then.toISOString()} title={exact.format(then)}>
      {format.format(then)}
    </time>
  );
}
