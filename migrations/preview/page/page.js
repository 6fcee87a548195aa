"use strict";
(() => {
  const order = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
  const written = new Intl.NumberFormat("en");
  const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  const lists = [...document.querySelectorAll("table.leads")].map((table) => {
    const rows = [...table.tBodies[0].rows];
    const count = document.querySelector(`[data-count-of="${table.id}"]`);
    return { table, rows, count, all: count.textContent, texts: rows.map((row) => plain(row.textContent)) };
  });

  // The style makes grids of these tables; to a screen reader they stay tables.
  const roles = {
    "table.leads": "table", ".leads thead, .leads tbody": "rowgroup", ".leads tr": "row", ".leads td": "cell",
    ".leads thead th": "columnheader", ".leads tbody th": "rowheader",
  };
  for (const [selector, role] of Object.entries(roles)) {
    for (const element of document.querySelectorAll(selector)) element.setAttribute("role", role);
  }

  function filter(wanted) {
    const words = plain(wanted).split(/\s+/).filter(Boolean);
    for (const { rows, texts, count, all } of lists) {
      let shown = 0;
      rows.forEach((row, i) => {
        row.hidden = !words.every((word) => texts[i].includes(word));
        shown += row.hidden ? 0 : 1;
      });
      count.textContent = words.length ? `${written.format(shown)} of ${written.format(rows.length)}` : all;
    }
  }

  function sort({ table, rows }, heading) {
    const column = heading.cellIndex;
    const down = heading.getAttribute("aria-sort") === "ascending";
    const key = ({ cells: { [column]: cell } }) => (cell.querySelector(".blank") ? "" : cell.textContent.trim());
    const compare = heading.dataset.kind === "number" ? (a, b) => a - b : order.compare;
    const keyed = rows.map((row) => [key(row), row]);
    // Blanks come last, up and down.
    keyed.sort(([a], [b]) => (a === "") - (b === "") || (down ? compare(b, a) : compare(a, b)));
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    table.tBodies[0].append(...keyed.map(([, row]) => row));
  }

  for (const list of lists) {
    for (const button of list.table.tHead.querySelectorAll("button")) {
      button.addEventListener("click", () => sort(list, button.closest("th")));
    }
  }
  let waiting = 0;
  document.getElementById("filter")?.addEventListener("input", (event) => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(() => filter(event.target.value));
  });
})();
