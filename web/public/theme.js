// Before the first paint: the theme that was chosen here, if one was. `src/lib/theme.ts` keeps it.
(() => {
  const chosen = localStorage.getItem("concave.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
