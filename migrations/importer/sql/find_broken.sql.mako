<%namespace name="shared" file="shared.mako"/>\
<%def name="broken(start, more='')">\
SELECT w._record, ${literal(rule.field)}, ${literal(rule.reason)}
        FROM (
            SELECT
                s.record AS _record,
                l._id,
                ${(",\n                ").join(f"{value} AS {name}" for name, value in table.would_be(rule.columns))}
            FROM lead_import_stage AS s
            LEFT JOIN LATERAL (
                ${shared.lead_of_phone()}
            ) AS l ON true
            WHERE s.record >= ${start} ${more}
                AND (l._id IS NULL OR ${rule.changes})
        ) AS w
        WHERE ${rule.condition}\
</%def>\
-- Find records whose leads would break a rule of the table: all at once, or one by one if the rule
-- itself fails on one of them.
DO $find$
DECLARE
    _record integer;
BEGIN
    BEGIN
        INSERT INTO lead_import_rejected (record, field, reason)
        ${broken(start)};
        RETURN;
    ${shared.unless_the_servers("    ")}
    END;
    FOR _record IN SELECT s.record FROM lead_import_stage AS s WHERE s.record >= ${start} LOOP
        BEGIN
            INSERT INTO lead_import_rejected (record, field, reason)
            ${broken("_record", "AND s.record = _record")};
        ${shared.unless_the_servers("        ")}
            INSERT INTO lead_import_rejected (record, field, reason)
            VALUES (_record, ${literal(rule.field)}, ${literal(rule.reason)});
        END;
    END LOOP;
END
$find$
