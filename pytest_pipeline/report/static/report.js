"use strict";
// Everything here only adds: without it the page is complete, its controls stay hidden.
(() => {
  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);
  const store = {
    get(key) { try { return localStorage.getItem(key); } catch { return null; } },
    set(key, value) { try { localStorage.setItem(key, value); } catch { /* private mode */ } },
  };

  // theme: follows the system until a person chooses
  const THEMES = ["auto", "light", "dark"];
  const themeButton = byId("theme");
  const useTheme = (name) => {
    if (name === "auto") root.removeAttribute("data-theme");
    else root.setAttribute("data-theme", name);
    themeButton.textContent = `Theme: ${name}`;
  };
  let theme = THEMES.includes(store.get("pipeline-theme")) ? store.get("pipeline-theme") : "auto";
  useTheme(theme);
  themeButton.addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    store.set("pipeline-theme", theme);
    useTheme(theme);
  });

  // filter: words, status:missed, exec:threads, -word; the address keeps it as #q=
  const filter = byId("filter");
  const targets = [...document.querySelectorAll("tr[data-search], .card[data-search]:not([data-unmet])")];
  const words = targets.map((each) => each.dataset.search);
  const applyFilter = () => {
    const terms = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    let rows = 0;
    targets.forEach((each, k) => {
      const fits = terms.every((term) =>
        term.length > 1 && term[0] === "-" ? !words[k].includes(term.slice(1)) : words[k].includes(term));
      each.hidden = !fits;
      if (each.tagName === "TR") { rows += 1; shown += fits ? 1 : 0; }
    });
    for (const heading of document.querySelectorAll("tr.group")) {
      heading.hidden = !heading.parentElement.querySelector("tr[data-search]:not([hidden])");
    }
    byId("shown").textContent = terms.length ? `${shown} of ${rows} rows` : "";
  };
  if (filter) {
    filter.addEventListener("input", () => {
      applyFilter();
      const query = filter.value ? `#q=${encodeURIComponent(filter.value)}` : location.pathname + location.search;
      history.replaceState(null, "", query);
    });
    byId("filter-line").hidden = false;
  }

  // permalinks: open what is closed around the target
  const follow = () => {
    const hash = decodeURIComponent(location.hash.slice(1));
    if (hash.startsWith("q=") && filter) {
      filter.value = hash.slice(2);
      applyFilter();
      return;
    }
    const target = hash && byId(hash);
    if (!target) return;
    const card = target.closest("details");
    if (card) { card.open = true; card.hidden = false; }
    (card || target).scrollIntoView();
  };
  addEventListener("hashchange", follow);
  follow();

  // j and k walk over what did not pass
  const unmet = [...document.querySelectorAll(".card[data-unmet]")];
  let position = -1;
  const walk = (step) => {
    if (!unmet.length) return;
    if (position >= 0) unmet[position].classList.remove("current");
    position = position < 0 ? (step > 0 ? 0 : unmet.length - 1) : (position + step + unmet.length) % unmet.length;
    const card = unmet[position];
    card.classList.add("current");
    card.open = true;
    const body = card.querySelector(".body");
    history.replaceState(null, "", `#${body.id}`);
    body.focus({ preventScroll: true });
    card.scrollIntoView();
  };

  // copy as Markdown: built from the text of the page
  const cell = (text) => text.trim().replace(/\s+/g, " ").replace(/([\\`*_|<>[\]])/g, "\\$1");
  const asMarkdown = () => {
    const lines = [`**${cell(document.querySelector("h1").textContent)}**`, ""];
    const rows = [...document.querySelectorAll(".tests tbody tr[data-search]")].filter((row) => !row.hidden);
    if (rows.length) {
      lines.push("| verdict | test | executor | gate | observed | interval | limit |", "|---|---|---|---|---|---|---|");
      for (const row of rows) {
        lines.push(`| ${[...row.cells].slice(0, 7).map((each) => cell(each.textContent)).join(" | ")} |`);
      }
    }
    for (const card of unmet) {
      for (const sentence of card.querySelectorAll(".sentence")) lines.push("", cell(sentence.textContent));
    }
    return `${lines.join("\n")}\n`;
  };
  const copy = async () => {
    const text = asMarkdown();
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    byId("said").textContent = "copied";
  };
  byId("copy").addEventListener("click", copy);

  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("input, textarea, select")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const help = byId("help");
    if (event.key === "j") walk(1);
    else if (event.key === "k") walk(-1);
    else if (event.key === "c") copy();
    else if (event.key === "?") help.hidden = !help.hidden;
    else if (event.key === "Escape") help.hidden = true;
    else if (event.key === "/" && filter) { event.preventDefault(); filter.focus(); }
  });
  byId("tools").hidden = false;
})();
