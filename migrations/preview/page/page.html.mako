<%

    labels = {
        "lead_number": "Number",
        "full_name": "Name",
        "phone": "Phone",
        "email": "E-mail",
        "status": "Status",
        "address1": "Address",
        "postal_code": "Postcode",
        "notes": "Notes",
        "assigned_agent": "Agent",
    }
    for name in preview.fields:
        labels.setdefault(name, name.replace("_", " ").capitalize())
    total = max(preview.leads_before, preview.leads_after, 1)
    changed, created = preview.total_changed, preview.total_created
    is_done = bool(preview.imports)
    if preview.refused:
        title = preview.refused
    elif len(preview.imports) == 1:
        title = preview.imports[0].export
    else:
        title = f"{len(preview.imports)} imports" if is_done else "Nothing to import"
    records = sum(figures.done for figures in preview.imports)
    outcomes = [
        ("created", "Created", "no lead has the phone yet", "good"),
        ("updated", "Updated", "a lead has the phone, and differs", "change"),
        ("unchanged", "Unchanged", "a lead has it all already", ""),
        ("folded", "Folded", "the phone comes again in a later record", ""),
        ("rejected", "Rejected", "has a problem, and is not imported", "bad"),
    ]

    def n(number):
        return f"{number:,}"

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
<%def name="heading(label, kind='text')">\
<th scope="col" class="${kind}" data-kind="${kind}"><button type="button">${label}<span class="arrow" aria-hidden="true"></span></button></th>\
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
<body>
<header>
<p class="eyebrow">Import preview</p>
<h1><bdi>${title}</bdi></h1>
<p class="facts">
<span>database <b><bdi>${preview.database}</bdi></b></span>
% for figures in preview.imports:
<span>revision <b>${figures.revision}</b></span>
% if len(preview.imports) > 1:
<span>export <b><bdi>${figures.export}</bdi></b></span>
% endif
<span>${n(figures.done)}${f" of {figures.records:,}" if figures.done != figures.records else ""} records, sha256 <b title="${figures.sha256}">${figures.sha256[:12]}…</b></span>
% endfor
<span>${f"{preview.taken_at:%d %B %Y, %H:%M}"} UTC</span>
</p>
<p class="pill">Dry run: ${"the import was refused before its first write" if preview.refused else "the import ran, then all of it was rolled back"}. Nothing has changed.</p>
</header>

<main>
% if preview.refused:
<section class="refused" aria-labelledby="refused">
<h2 id="refused">The export is refused</h2>
<p>${n(preview.total_problems)} ${"problem" if preview.total_problems == 1 else "problems"}; the import would write nothing. Correct the export at its source, then look again.</p>
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
${bar(f"Before: {preview.leads_before} leads, of which {changed} will be updated", [("same", preview.leads_before - changed), ("change", changed)])}
<span class="when">After</span>
${bar(f"After: {preview.leads_before - changed} leads as they were, {changed} updated, {created} created", [("same", preview.leads_before - changed), ("change", changed), ("good", created)])}
</div>
<ul class="legend">
<li class="same">${n(preview.leads_before - changed)} stay as they are</li>
<li class="change">${n(changed)} would be updated</li>
<li class="good">${n(created)} would be created</li>
</ul>
% endif
</section>

% if is_done:
<section aria-labelledby="records">
<h2 id="records">What becomes of the ${n(records)} records</h2>
<dl class="outcomes">
% for outcome, label, why, kind in outcomes:
<div class="${kind if preview.count(outcome) else 'none'}"><dt>${label}</dt><dd>${n(preview.count(outcome))}</dd><dd class="why">${why}</dd></div>
% endfor
</dl>
</section>
% endif

% if preview.problems:
<section aria-labelledby="problems">
<h2 id="problems">Problems <span class="count">${n(preview.total_problems)}</span></h2>
<table class="plain">
<caption class="visually-hidden">What is wrong in the export, by record and field</caption>
<thead><tr><th scope="col" class="number">Record</th><th scope="col">Field</th><th scope="col">What is wrong</th></tr></thead>
<tbody>
% for problem in preview.problems:
<tr><td class="number">${n(problem.record) if problem.record else "file"}</td><td>${problem.field or "–"}</td><td>${problem.reason}</td></tr>
% endfor
</tbody>
</table>
% if preview.total_problems > len(preview.problems):
<p class="note">The first ${n(len(preview.problems))} of ${n(preview.total_problems)}.</p>
% endif
</section>
% endif

<section aria-labelledby="proof">
<h2 id="proof">Promise and proof</h2>
<p class="lead">Rows that the import wrote in each table, counted by Postgres itself, those of triggers among them.</p>
<div class="scroll" tabindex="0" role="region" aria-labelledby="proof">
<table class="plain proof">
<caption class="visually-hidden">Rows inserted, updated and deleted in each table, and whether that is what was promised</caption>
<thead><tr><th scope="col">Table</th><th scope="col" class="wide">Promise</th><th scope="col" class="number">Inserted</th><th scope="col" class="number">Updated</th><th scope="col" class="number">Deleted</th><th scope="col">Result</th></tr></thead>
<tbody>
% for rows in preview.listed_tables:
<tr>
<th scope="row"><bdi>${rows.table}</bdi></th>
<td class="wide">${rows.promise}</td>
% for kind, count in (("inserted", rows.inserted), ("updated", rows.updated), ("deleted", rows.deleted)):
<td class="number ${'' if count else 'nothing'}" data-label="${kind}">${n(count)}</td>
% endfor
<td class="${'yes' if rows.is_kept else 'no'}">${"✓ kept" if rows.is_kept else "✗ broken"}</td>
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

% if preview.changed or preview.created:
<div class="filter" role="search">
<label for="filter">Filter the leads</label>
<input id="filter" type="search" placeholder="a name, a number, a field …" autocomplete="off" spellcheck="false">
<nav aria-label="Leads"><a href="#changed">${n(changed)} to update</a> <a href="#created">${n(created)} to create</a></nav>
</div>

<section aria-labelledby="changed">
<h2 id="changed">Would be updated <span class="count" data-count-of="changed-leads" aria-live="polite">${n(changed)}</span></h2>
% if changed > len(preview.changed):
<p class="note">The first ${n(len(preview.changed))} are listed; the figures above count all.</p>
% endif
% if preview.changed:
<table class="leads" id="changed-leads">
<caption class="visually-hidden">Each lead that would be updated, its fields old and new; the headings sort</caption>
<thead><tr>${heading("Id", "number")}${heading("Number")}${heading("Name")}${heading("Fields", "number")}<th scope="col">Old → new</th></tr></thead>
<tbody>
% for lead in preview.changed:
<% old, new = mask_all(lead.old), mask_all(lead.new) %>\
<tr>
<td class="number" data-label="Id">${lead.id}</td>
<td data-label="Number">${text(lead.lead_number)}</td>
<th scope="row" data-label="Name">${text(mask("full_name", lead.full_name))}</th>
<td class="number fields" data-label="Fields">${len(lead.fields)}</td>
<td class="changes"><dl>\
% for field in lead.fields:
<div><dt>${labels[field]}</dt><dd><del>${text(old[field])}</del> <span class="into" aria-hidden="true">→</span> <ins>${text(new[field])}</ins></dd></div>
% endfor
</dl></td>
</tr>
% endfor
</tbody>
</table>
% else:
<p class="note">None.</p>
% endif
</section>

<section aria-labelledby="created">
<h2 id="created">Would be created <span class="count" data-count-of="created-leads" aria-live="polite">${n(created)}</span></h2>
% if created > len(preview.created):
<p class="note">The first ${n(len(preview.created))} are listed; the figures above count all.</p>
% endif
% if preview.created:
<div class="scroll" tabindex="0" role="region" aria-labelledby="created">
<table class="leads" id="created-leads">
<caption class="visually-hidden">Each lead that would be created; the headings sort</caption>
<thead><tr>\
% for column in preview.fields:
${heading(labels[column])}\
% endfor
</tr></thead>
<tbody>
% for lead in preview.created:
<% values = mask_all(lead.values) %>\
<tr>
% for column in preview.fields:
% if column == "full_name":
<th scope="row" data-label="${labels[column]}">${text(values[column])}</th>
% else:
<td data-label="${labels[column]}">${text(values[column])}</td>
% endif
% endfor
</tr>
% endfor
</tbody>
</table>
</div>
% else:
<p class="note">None.</p>
% endif
</section>
% endif
</main>

<footer>
% if is_masked:
<p>Phones and e-mails are masked; <code>--show-personal-data</code> shows them.</p>
% else:
<p>This page shows people's phones and e-mails: keep it as carefully as the database.</p>
% endif
<p>A record and a lead belong together where their phones are one number, however it is written. A blank in the export keeps the lead's value, unless the revision says otherwise.</p>
</footer>
<script>${script | n}</script>
</body>
</html>
