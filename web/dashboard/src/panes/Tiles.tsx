/** Numbers to be seen at a glance: each with its name, and where more of it is. */
export function Tiles({ of: tiles }: { of: [title: string, value: string, href?: string][] }) {
  return (
    <ul className="tiles">
      {tiles.map(([title, value, href]) => {
        const inside = (
          <>
            <span className="soft">{title}</span>
            <b>{value}</b>
          </>
        );
        return <li key={title}>{href ? <a href={href}>{inside}</a> : inside}</li>;
      })}
    </ul>
  );
}
