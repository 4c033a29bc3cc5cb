"""A page that reads `/openapi.json` and lets you try it, at `/docs/api`. One file, no library, nothing from another host."""

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Concave: the REST door</title>
<style>
  :root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
  body { max-width: 56rem; margin: 0 auto; padding: 1rem; }
  h2 { margin: 2rem 0 .5rem; text-transform: capitalize; }
  details { border: 1px solid #8884; border-radius: .5rem; margin: .4rem 0; padding: .4rem .8rem; }
  summary { cursor: pointer; display: flex; gap: .8rem; align-items: baseline; }
  summary b { min-width: 4rem; } summary code { flex: none; } summary span { opacity: .75; }
  label { display: grid; grid-template-columns: 12rem 1fr; gap: .5rem; margin: .3rem 0; }
  input, textarea { font: 13px/1.5 ui-monospace, monospace; padding: .3rem; }
  textarea { width: 100%; box-sizing: border-box; min-height: 5rem; }
  pre { overflow: auto; max-height: 24rem; background: #8881; padding: .6rem; border-radius: .4rem; white-space: pre-wrap; }
</style>
<h1>The REST door</h1>
<p>Printed from <a href="/openapi.json">/openapi.json</a>. A token goes with every call; on a laptop
<code>POST /dev/token</code> makes one.</p>
<label>Token <input id="token" type="password" autocomplete="off"></label>
<p><button id="mint">Make a token for alice of acme (development)</button> <span id="minted" role="status"></span></p>
<main>Loading…</main>
<script>
const $ = (name, props = {}, ...children) => {
  const made = Object.assign(document.createElement(name), props);
  made.append(...children);
  return made;
};
const token = document.getElementById("token");
document.getElementById("mint").onclick = async () => {
  const status = document.getElementById("minted");
  const body = JSON.stringify({ subject: "alice", org: "acme" });
  try {
    const answer = await fetch("/dev/token", { method: "POST", body });
    if (!answer.ok) throw new Error();
    token.value = (await answer.json()).token;
    status.textContent = "done";
  } catch { status.textContent = "there is no development issuer here"; }
};
const sample = (schema, all) => {
  if (!schema) return null;
  if (schema.$ref) return sample(all[schema.$ref.split("/").pop()], all);
  if (schema.anyOf) return sample(schema.anyOf.find((part) => part.type !== "null"), all);
  if (schema.enum) return schema.enum[0];
  if (schema.default !== undefined && schema.default !== null) return schema.default;
  if (schema.type === "object") {
    const wanted = schema.required ?? [];
    return Object.fromEntries(wanted.map((name) => [name, sample((schema.properties ?? {})[name], all)]));
  }
  return { string: "…", integer: 1, number: 1, boolean: false, array: [] }[schema.type] ?? null;
};
const operation = (path, method, spec, all) => {
  const fields = (spec.parameters ?? []).map((one) => {
    const input = $("input", { placeholder: one.schema.type ?? "", required: one.required });
    return { one, input, row: $("label", {}, `${one.name}${one.required ? " *" : ""}`, input) };
  });
  const schema = spec.requestBody?.content["application/json"].schema;
  const body = schema && $("textarea", { value: JSON.stringify(sample(schema, all), null, 2), ariaLabel: "Body" });
  const told = $("pre", { hidden: true });
  const send = $("button", { textContent: "Send" });
  send.onclick = async () => {
    let url = path;
    const query = new URLSearchParams();
    for (const { one, input } of fields) {
      if (one.in === "path") url = url.replace(`{${one.name}}`, encodeURIComponent(input.value));
      else if (input.value) query.set(one.name, input.value);
    }
    if ([...query].length) url += `?${query}`;
    const headers = { "content-type": "application/json" };
    if (token.value) headers.authorization = `Bearer ${token.value}`;
    told.hidden = false;
    try {
      const answer = await fetch(url, { method: method.toUpperCase(), headers, body: body?.value });
      const text = await answer.text();
      let shown = text;
      try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* shown as it is */ }
      told.textContent = `${answer.status} ${answer.statusText}\\n${shown}`;
    } catch (error) { told.textContent = String(error); }
  };
  const head = $("summary", {}, $("b", { textContent: method.toUpperCase() }), $("code", { textContent: path }),
    $("span", { textContent: spec.summary }));
  const more = spec.description ? [$("p", { textContent: spec.description })] : [];
  return $("details", {}, head, ...more, ...fields.map((each) => each.row), ...(body ? [body] : []), send, told);
};
const main = document.querySelector("main");
fetch("/openapi.json").then((answer) => answer.json()).then((spec) => {
  const groups = {};
  for (const [path, methods] of Object.entries(spec.paths))
    for (const [method, one] of Object.entries(methods))
      (groups[one.tags[0]] ??= []).push(operation(path, method, one, spec.components.schemas));
  main.replaceChildren(...Object.entries(groups).flatMap(([tag, each]) => [$("h2", { textContent: tag }), ...each]));
}).catch((error) => { main.textContent = `The document could not be read: ${error}`; });
</script>
</html>
"""
