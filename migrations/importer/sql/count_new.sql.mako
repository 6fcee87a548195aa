<%namespace name="leads" file="leads.mako"/>\
-- Count the records that no lead has yet, from a position on.
SELECT count(*)
${leads.records_with_leads()}
WHERE s.record >= :start AND l.${table.id} IS NULL
