"use strict";
(() => {
  const AT_ONCE = Number(document.body.dataset.atOnce);
  const order = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
  const written = new Intl.NumberFormat("en");
  const field = document.getElementById("filter");
  if (!field) return;

  // A row is its HTML in the page. Values are escaped, so they never contain a tag.
  const ENTITIES = { "&lt;": "<", "&gt;": ">", "&#34;": '"', "&#39;": "'", "&nbsp;": "\u00a0", "&amp;": "&" };
  const textIn = (html) => html.replace(/<[^>]*>/g, " ").replace(/&(?:lt|gt|#34|#39|nbsp|amp);/g, (found) => ENTITIES[found]);
  const lower = (text) => text.toLowerCase();
  const plain = (text) => lower(/[^\0-\x7f]/.test(text) ? text.normalize("NFD").replace(/\p{M}/gu, "") : text);
  const searched = (row) => (row.text ??= plain(textIn(row.html)));

  function keyOf(row, column) {
    const cell = row.html.split(/<\/t[dh]>/, column + 1)[column];
    return cell.includes('class="blank"') ? "" : textIn(cell).trim();
  }

  const lists = [...document.querySelectorAll("table.leads[id]")].map((table) => {
    const body = table.tBodies[0];
    const rest = document.querySelector(`#${table.id.replace("-leads", "-rest")}`)?.textContent ?? "";
    const sources = [...[...body.rows].map((row) => row.outerHTML), ...(rest.match(/<tr[^]*?<\/tr>/g) ?? [])];
    const rows = sources.map((html, place) => ({ html, place }));
    const counts = [...document.querySelectorAll(`[data-count-of="${table.id}"]`)];
    const more = document.querySelector(`[data-more-of="${table.id}"]`);
    return { table, body, rows, found: rows, shown: body.rows.length, counts, all: counts[0].textContent, more };
  });

  // The style turns these tables into grids. For screen readers they stay tables.
  const ROLES = { TABLE: "table", THEAD: "rowgroup", TBODY: "rowgroup", TR: "row", TD: "cell" };
  function nameRoles({ table }) {
    for (const element of [table, ...table.querySelectorAll("thead, tbody, tr, th, td")]) {
      if (element.role) continue;
      const heading = element.scope === "col" ? "columnheader" : "rowheader";
      element.setAttribute("role", ROLES[element.tagName] ?? heading);
    }
  }

  function show(list, upTo) {
    list.body.replaceChildren();
    list.shown = 0;
    showMore(list, upTo);
  }

  function showMore(list, count = AT_ONCE) {
    const next = list.found.slice(list.shown, list.shown + count);
    list.body.insertAdjacentHTML("beforeend", next.map((row) => row.html).join(""));
    list.shown += next.length;
    nameRoles(list);
    offerMore(list);
  }

  function offerMore({ more, found, shown }) {
    if (!more) return;
    more.hidden = shown >= found.length;
    more.textContent = `${written.format(found.length - shown)} more`;
  }

  function filter() {
    const words = plain(field.value).split(/\s+/).filter(Boolean);
    for (const list of lists) {
      list.found = words.length ? list.rows.filter((row) => words.every((word) => searched(row).includes(word))) : list.rows;
      show(list, AT_ONCE);
      const said = words.length ? `${written.format(list.found.length)} of ${written.format(list.rows.length)}` : list.all;
      for (const count of list.counts) count.textContent = said;
    }
  }

  function sort(list, heading) {
    const down = heading.getAttribute("aria-sort") === "ascending";
    const place = (a, b) => a.place - b.place;
    const number = (a, b) => a.key.replaceAll(",", "") - b.key.replaceAll(",", "");
    const compare = heading.dataset.kind === "number" ? number : (a, b) => order.compare(a.key, b.key);
    for (const row of list.rows) row.key = keyOf(row, heading.cellIndex);
    // Blanks come last in both directions.
    list.rows.sort((a, b) => (a.key === "") - (b.key === "") || (down ? compare(b, a) : compare(a, b)) || place(a, b));
    for (const other of list.table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    filter();
  }

  // The address and the links name the list and the filter, as in #changed&filter=booked.
  const links = [...document.querySelectorAll(".filter a")].map((link) => ({ link, target: link.hash.slice(1) }));
  const asFragment = () => (field.value ? new URLSearchParams({ filter: field.value }).toString() : "");

  function nameTheView() {
    const fragment = asFragment();
    history.replaceState(null, "", fragment ? `#${fragment}` : location.pathname + location.search);
  }

  function pointLinks() {
    for (const { link, target } of links) link.setAttribute("href", `#${[target, asFragment()].filter(Boolean).join("&")}`);
  }

  function follow() {
    const asked = new URLSearchParams(location.hash.slice(1));
    field.value = asked.get("filter") ?? "";
    pointLinks();
    filter();
    const target = links.find((each) => asked.has(each.target));
    if (target) document.getElementById(target.target).scrollIntoView();
  }

  // Filter at the next frame, and update the address when typing pauses.
  let frame = 0;
  let pause = 0;
  field.addEventListener("input", () => {
    cancelAnimationFrame(frame);
    clearTimeout(pause);
    frame = requestAnimationFrame(() => { filter(); pointLinks(); });
    pause = setTimeout(nameTheView, 300);
  });
  addEventListener("hashchange", follow);
  addEventListener("beforeprint", () => lists.forEach((list) => show(list, list.found.length)));

  const nearTheEnd = new IntersectionObserver((seen) => {
    for (const { target, isIntersecting } of seen) if (isIntersecting) target.click();
  }, { rootMargin: "1000px" });
  for (const list of lists) {
    list.table.tHead.addEventListener("click", (event) => {
      const heading = event.target.closest("th[data-kind]");
      if (heading) sort(list, heading);
    });
    list.more?.addEventListener("click", () => showMore(list));
    if (list.more) nearTheEnd.observe(list.more);
    offerMore(list);
    nameRoles(list);
  }
  if (location.hash) follow();

  // Read the rows while the browser is idle, so the first filter is as fast as the others.
  const unread = lists.flatMap((list) => list.rows);
  function read(deadline) {
    while (unread.length && deadline.timeRemaining() > 1) searched(unread.pop());
    if (unread.length) requestIdleCallback(read);
  }
  globalThis.requestIdleCallback?.(read);
})();
