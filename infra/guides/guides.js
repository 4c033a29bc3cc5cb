// The list of guides on a wide window, and the search: every word must occur; headings count more than text. No request leaves the host.
const MOST = 20, AROUND = 70;
const input = document.getElementById("wanted"), found = document.getElementById("found"), content = document.getElementById("content");
const list = document.querySelector("nav details"), wide = matchMedia("(min-width: 56rem)");
let sections;

const fold = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
const arrange = () => { list.open = wide.matches; };
arrange();
wide.addEventListener("change", arrange);

function score([, page, heading, text], words) {
  let sum = 0;
  for (const word of words) {
    const points = (fold(heading).includes(word) ? 10 : 0) + (fold(page).includes(word) ? 5 : 0) + (fold(text).includes(word) ? 1 : 0);
    if (points === 0) return 0;
    sum += points;
  }
  return sum;
}

function around(text, word) {
  const at = Math.max(0, fold(text).indexOf(word));
  const from = Math.max(0, at - AROUND);
  return (from > 0 ? "…" : "") + text.slice(from, at + word.length + AROUND).trim() + (at + word.length + AROUND < text.length ? "…" : "");
}

function line(section, words) {
  const [address, page, heading, text] = section;
  const entry = document.createElement("li"), link = document.createElement("a"), told = document.createElement("p");
  link.href = address;
  link.textContent = heading && heading !== page ? `${page}: ${heading}` : page;
  told.textContent = around(text, words.find((word) => fold(text).includes(word)) ?? "");
  entry.append(link, told);
  return entry;
}

async function look() {
  const words = fold(input.value).split(/\s+/).filter(Boolean);
  found.hidden = words.length === 0;
  content.hidden = words.length > 0;
  if (words.length === 0) return;
  sections ??= fetch("search.json").then((answer) => answer.json());
  const ranked = (await sections).map((section) => [score(section, words), section]).filter(([points]) => points > 0);
  ranked.sort(([one], [other]) => other - one);
  const heading = document.createElement("h1"), lines = document.createElement("ul");
  heading.textContent = ranked.length === 0 ? "Nothing was found" : `${ranked.length} found`;
  lines.append(...ranked.slice(0, MOST).map(([, section]) => line(section, words)));
  found.replaceChildren(heading, lines);
}

input.addEventListener("input", look);
// A result may be on this page: then the page is shown again.
found.addEventListener("click", (event) => {
  if (!event.target.closest("a")) return;
  input.value = "";
  found.hidden = true;
  content.hidden = false;
});
addEventListener("keydown", (event) => {
  if (event.key === "/" && !/^(INPUT|TEXTAREA)$/.test(document.activeElement?.tagName ?? "")) {
    event.preventDefault();
    input.focus();
  } else if (event.key === "Escape" && document.activeElement === input) {
    input.value = "";
    look();
  }
});
