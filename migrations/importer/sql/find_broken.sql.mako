<%namespace name="leads" file="leads.mako"/>\
<%
    looked_at = {}
    for rule in rules:
        looked_at.setdefault(rule.changes, f"_looked_at_{len(looked_at) + 1}")

    def is_broken(rule):
        return f"w.{looked_at[rule.changes]} AND ({rule.condition})"
%>\
<%def name="would_be(rules, records)">\
<%
    names = {name: None for rule in rules for name in rule.columns}
    values = [f"{value} AS {name}" for name, value in foreseen(table).would_be(names)]
    for told in {rule.changes: None for rule in rules}:
        values.append(f"(l.{table.id} IS NULL OR {told}) AS {looked_at[told]}")
%>\
% if foreseen(table).computed(names):
SELECT *, ${leads.computed(names)} FROM (
            \
% endif
SELECT
                s.record AS _record,
                l.${table.id} AS _lead_id,
                ${(",\n                ").join(values)}
            ${leads.records_with_leads()}
            WHERE s.record ${records}\
% if foreseen(table).computed(names):

            ) AS w\
% endif
</%def>\
<%def name="broken(rule, records)">\
SELECT w._record, ${literal(rule.field)}, ${literal(rule.reason)}
        FROM (
            ${would_be([rule], records)}
        ) AS w
        WHERE ${is_broken(rule)}\
</%def>\
-- Find records whose leads would break a rule of the table.
DO $find$
DECLARE
    _record integer;
BEGIN
    -- One look at all rules is enough if no record breaks any.
    BEGIN
        IF NOT EXISTS (
            SELECT FROM (
            ${would_be(rules, f">= {start}")}
            ) AS w
            WHERE ${("\n                OR ").join(map(is_broken, rules))}
        ) THEN
            RETURN;
        END IF;
    ${part("exception_for_a_row", 4)}
    END;
% for rule in rules:

    -- All records at once, or one by one if the rule itself fails on one of them.
    BEGIN
        INSERT INTO lead_import_rejected (record, field, reason)
        ${broken(rule, f">= {start}")};
    ${part("exception_for_a_row", 4)}
        FOR _record IN SELECT s.record FROM lead_import_stage AS s WHERE s.record >= ${start} LOOP
            BEGIN
                INSERT INTO lead_import_rejected (record, field, reason)
                ${broken(rule, "= _record")};
            ${part("exception_for_a_row", 12)}
                INSERT INTO lead_import_rejected (record, field, reason)
                VALUES (_record, ${literal(rule.field)}, ${literal(rule.reason)});
            END;
        END LOOP;
    END;
% endfor
END
$find$
