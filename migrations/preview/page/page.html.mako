<%
    total = max(preview.leads_before, preview.leads_after, 1)
    changed, created = preview.total_changed, preview.total_created
    records = sum(figures.done for figures in preview.imports)
    id_kind = "number" if numbers_leads else "text"

    def percent(part):
        return f"{100 * part / total:.3f}%"
%>\
<%def name="bar(what, parts)">\
<svg class="bar" role="img" aria-label="${what}" width="100%" height="28">\
<% start = 0 %>\
% for kind, size in parts:
<rect class="${kind}" x="${percent(start)}" y="0" width="${percent(size)}" height="28"></rect>\
<% start += size %>\
% endfor
</svg>\
</%def>\
<%def name="text(value)">\
% if value:
<bdi>${visible(value)}</bdi>\
% else:
<span class="blank">${"not set" if value is None else "blank"}</span>\
% endif
</%def>\
<%def name="parts(found, value)">\
% if found:
<bdi>\
% for part in found:
% if part.is_marked:
<mark>${visible(part.text)}</mark>\
% else:
${visible(part.text)}\
% endif
% endfor
</bdi>\
% else:
${text(value)}\
% endif
</%def>\
<%def name="heading(label, kind='text')">\
<th scope="col" class="${kind}" data-kind="${kind}"><button type="button">${label}<span class="arrow" aria-hidden="true"></span></button></th>\
</%def>\
<%def name="name_cell(value)">\
<th scope="row">${text(value)}</th>\
</%def>\
<%def name="change(lead, field, old, new)">\
<% before, after = marked(old[field], new[field]) %>\
<div><dt>${labels[field]}</dt><dd><del>${parts(before, old[field])}</del> <span class="into" aria-hidden="true">→</span> <ins>${parts(after, new[field])}</ins>\
% if field == spelled:
 <span class="aside">same number, written differently</span>\
% endif
</dd></div>\
</%def>\
<%def name="changed_row(lead)">\
<% old, new = mask_all(lead.old), mask_all(lead.new) %>\
<tr><td class="${id_kind}">${visible(str(lead.id))}</td>\
<td>${text(lead.lead_number)}</td>\
${name_cell(mask("full_name", lead.full_name))}\
<td class="number">${n(lead.position + 1)}</td>\
<td class="number fields">${len(lead.fields)}</td>\
<td class="changes"><dl>\
% for field in lead.fields:
${change(lead, field, old, new)}\
% endfor
</dl></td></tr>
</%def>\
<%def name="created_row(lead)">\
<% values = mask_all(lead.values) %>\
<tr>\
% for column in preview.fields:
% if column == "full_name":
${name_cell(values[column])}\
% else:
<td>${text(values[column])}</td>\
% endif
% endfor
<td class="number">${n(lead.position + 1)}</td></tr>
</%def>\
<%def name="listed(kind, leads, row)">\
<tbody>
% for lead in leads[:at_once]:
${row(lead)}\
% endfor
</tbody>
</table>
% if len(leads) > at_once:
<noscript id="${kind}-rest"><table class="leads ${kind}">
<tbody>
% for lead in leads[at_once:]:
${row(lead)}\
% endfor
</tbody>
</table></noscript>
<button type="button" class="more" data-more-of="${kind}-leads" hidden></button>
% endif
</%def>\
<%def name="count(kind, figure)">\
<span class="count" data-count-of="${kind}-leads">${n(figure)}</span>\
</%def>\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta name="robots" content="noindex">
<title>Import preview: ${title}</title>
<style>${style | n}</style>
</head>
<body data-at-once="${at_once}">
<header>
<p class="eyebrow">Import preview</p>
<h1><bdi>${title}</bdi></h1>
<p class="facts">
<span>Database <b><bdi>${visible(preview.database)}</bdi></b></span>
% for figures in preview.imports:
<span>revision <b>${figures.revision}</b></span>
% if len(preview.imports) > 1:
<span>export <b><bdi>${figures.export}</bdi></b></span>
% endif
<span>${n(figures.done)}${f" of {n(figures.records)}" if figures.done != figures.records else ""} records, sha256 <b title="${figures.sha256}">${figures.sha256[:12]}…</b></span>
% if figures.is_invented:
<span><b>its people are invented</b></span>
% endif
% endfor
<span>${f"{preview.taken_at:%d %B %Y, %H:%M}"} UTC</span>
</p>
<p class="pill">A preview: nothing has changed.${" The next deploy does it." if preview.imports and not preview.refused else ""}</p>
</header>

<main>
% if preview.refused:
<section class="refused" aria-labelledby="refused">
<h2 id="refused">The export is refused</h2>
<p>${n(preview.total_problems)} ${"problem" if preview.total_problems == 1 else "problems"}. An upgrade is refused before its first write. Correct the export at its source, then preview again.</p>
% if preview.refused_file:
<p>For the export's owner, write a fix sheet with each problem beside its record: <code>python -m migrations check <bdi>${preview.refused_file}</bdi> --fix-sheet problems.fix-sheet.csv</code></p>
% endif
</section>
% elif not preview.imports:
<section class="nothing-to-do" aria-labelledby="nothing-to-do">
<h2 id="nothing-to-do">There is nothing to import</h2>
<p>The database has every import in this code. An upgrade would leave all leads as they are.</p>
</section>
% endif

<section aria-labelledby="leads">
<h2 id="leads" class="visually-hidden">Leads before and after</h2>
<div class="picture">
<div class="moment"><span class="figure">${n(preview.leads_before)}</span><span class="what">leads before</span></div>
<div class="to" aria-hidden="true">→</div>
<div class="moment"><span class="figure">${n(preview.leads_after)}</span><span class="what">leads after</span></div>
<div class="moment zero"><span class="figure">${n(preview.deleted)}</span><span class="what">deleted</span></div>
</div>
% if preview.leads_after:
<div class="bars">
<span class="when">Before</span>
${bar(f"Before: {n(preview.leads_before)} leads, of which {n(changed)} would be updated", [("same", preview.leads_before - changed), ("change", changed)])}
<span class="when">After</span>
${bar(f"After: {n(preview.leads_before - changed)} leads as they were, {n(changed)} updated, {n(created)} created", [("same", preview.leads_before - changed), ("change", changed), ("good", created)])}
</div>
<ul class="legend">
<li class="same">${n(preview.leads_before - changed)} stay as they are</li>
<li class="change">${n(changed)} would be updated</li>
<li class="good">${n(created)} would be created</li>
</ul>
% endif
</section>

% if preview.imports:
<section aria-labelledby="records">
<h2 id="records">What becomes of the ${n(records)} records</h2>
<dl class="outcomes">
% for outcome in outcomes:
<div class="${outcome.style if preview.count(outcome.name) else 'none'}"><dt>${outcome.label}</dt><dd>${n(preview.count(outcome.name))}</dd><dd class="why">${outcome.why}</dd></div>
% endfor
</dl>
% if preview.changed:
<h3>Fields that would change\
% if changed > len(preview.changed):
 in the first ${n(len(preview.changed))} leads\
% endif
</h3>
<ul class="totals">
% for field, leads in preview.field_totals.items():
<li>${labels[field]} <b>${n(leads)}</b></li>
% endfor
% if preview.respelled:
<li class="aside">${labels[spelled]}: same number, written differently <b>${n(preview.respelled)}</b></li>
% endif
</ul>
% endif
</section>
% endif

% if preview.problems:
<section aria-labelledby="problems">
<h2 id="problems">Problems <span class="count">${n(preview.total_problems)}</span></h2>
<table class="plain">
<caption class="visually-hidden">What is wrong in the export, by record and field</caption>
<thead><tr><th scope="col" class="number">Record</th>\
% if preview.lead_numbers:
<th scope="col">Lead</th>\
% endif
<th scope="col">Field</th><th scope="col">What is wrong</th></tr></thead>
<tbody>
% for problem in preview.problems:
<tr><td class="number">${n(problem.record) if problem.record else "file"}</td>\
% if preview.lead_numbers:
<td><bdi>${visible(preview.lead_numbers.get(problem.record) or "–")}</bdi></td>\
% endif
<td>${problem.field or "–"}</td><td>${problem.reason}</td></tr>
% endfor
</tbody>
</table>
% if preview.total_problems > len(preview.problems):
<p class="note">The first ${n(len(preview.problems))} of ${n(preview.total_problems)}.</p>
% endif
</section>
% endif

% if preview.schema:
<section aria-labelledby="schema">
<h2 id="schema">Schema</h2>
<ul class="schema">
% for line in preview.schema:
<li><bdi>${visible(line)}</bdi></li>
% endfor
</ul>
</section>
% endif

% if preview.tables:
<section aria-labelledby="proof">
<h2 id="proof">Promise and proof</h2>
<p class="lead">Rows the import wrote in each table, as Postgres counts them. Rows from triggers are included.</p>
<div class="scroll" tabindex="0" role="region" aria-labelledby="proof">
<table class="plain proof">
<caption class="visually-hidden">Rows inserted, updated and deleted in each table, and whether the promise holds</caption>
<thead><tr><th scope="col">Table</th><th scope="col" class="wide">Promise</th><th scope="col" class="number">Inserted</th><th scope="col" class="number">Updated</th><th scope="col" class="number">Deleted</th><th scope="col">Result</th></tr></thead>
<tbody>
% for rows in preview.listed_tables:
<tr>
<th scope="row"><bdi>${rows.table}</bdi></th>
<td class="wide">${rows.promise}</td>
% for kind, figure in (("inserted", rows.inserted), ("updated", rows.updated), ("deleted", rows.deleted)):
<td class="number ${'' if figure else 'nothing'}" data-label="${kind}">${n(figure)}</td>
% endfor
<% style_, words = verdicts[rows.verdict] %>\
<td class="${style_}">${words}</td>
</tr>
% endfor
</tbody>
</table>
</div>
% if preview.unlisted_tables:
<details>
<summary>${n(len(preview.unlisted_tables))} other tables, untouched</summary>
<p>${", ".join(rows.table for rows in preview.unlisted_tables)}</p>
</details>
% endif
</section>
% elif preview.imports:
<section aria-labelledby="promise">
<h2 id="promise">What would be written</h2>
<p class="lead">Before it commits, each batch of an import proves this by Postgres' own counters. To rehearse it with triggers, run <code>alembic -x dry-run upgrade head</code> on a copy of the database.</p>
<table class="plain">
<caption class="visually-hidden">What an import may write in each table</caption>
<tbody>
<tr><th scope="row"><bdi>${visible(preview.leads_table)}</bdi></th><td>${n(created)} added, ${n(changed)} updated, none deleted</td></tr>
<tr><th scope="row">the ledger and the revision's stamp</th><td>bookkeeping</td></tr>
<tr><th scope="row">every other table</th><td>untouched</td></tr>
</tbody>
</table>
</section>
% endif

% if preview.changed or preview.created:
<div class="filter" role="search">
<label for="filter">Filter the leads</label>
<input id="filter" type="search" placeholder="a name, a number, a field …" autocomplete="off" spellcheck="false">
<nav aria-label="Leads"><a href="#changed">${count("changed", changed)} to update</a> <a href="#created">${count("created", created)} to create</a></nav>
</div>

<section aria-labelledby="changed">
<h2 id="changed" aria-live="polite">Would be updated ${count("changed", changed)}</h2>
% if changed > len(preview.changed):
<p class="note">Only the first ${n(len(preview.changed))} are listed. The figures above count all.</p>
% endif
% if preview.changed:
<table class="leads changed" id="changed-leads">
<caption class="visually-hidden">Leads to be updated, with old and new fields, in the export's order. Use the headings to sort.</caption>
<thead><tr>${heading("Id", id_kind)}${heading("Number")}${heading("Name")}${heading("Record", "number")}${heading("Fields", "number")}<th scope="col">Old → new</th></tr></thead>
${listed("changed", preview.changed, changed_row)}\
% else:
<p class="note">None.</p>
% endif
</section>

<section aria-labelledby="created">
<h2 id="created" aria-live="polite">Would be created ${count("created", created)}</h2>
% if created > len(preview.created):
<p class="note">Only the first ${n(len(preview.created))} are listed. The figures above count all.</p>
% endif
% if preview.created:
<div class="scroll" tabindex="0" role="region" aria-labelledby="created">
<table class="leads created" id="created-leads">
<caption class="visually-hidden">Leads to be created, in the export's order. Use the headings to sort.</caption>
<thead><tr>\
% for column in preview.fields:
${heading(labels[column])}\
% endfor
${heading("Record", "number")}</tr></thead>
${listed("created", preview.created, created_row)}\
</div>
% else:
<p class="note">None.</p>
% endif
</section>
% endif
</main>

<footer>
% if is_masked:
<p>Phones and e-mails are masked. Use <code>--show-personal-data</code> to show them.</p>
% else:
<p>This page shows people's phones and e-mails. Keep it as carefully as the database.</p>
% endif
<p>A record matches a lead if their phones are the same number, however written. A blank in the export keeps the lead's value, unless the revision says otherwise.</p>
</footer>
<script>${script | n}</script>
</body>
</html>
