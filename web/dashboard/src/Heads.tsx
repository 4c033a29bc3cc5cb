/** The names of a table's columns. Names that begin with # are of columns of numbers, which stand at the right. */
export function Heads({ names }: { names: readonly string[] }) {
  return (
    <thead>
      <tr>
        {names.map((name) => (
          <th scope="col" key={name} className={name.startsWith("#") ? "number" : undefined}>
            {name.replace(/^#/, "")}
          </th>
        ))}
      </tr>
    </thead>
  );
}
