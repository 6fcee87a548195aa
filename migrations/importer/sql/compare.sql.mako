<%namespace name="leads" file="leads.mako"/>\
<%namespace name="told" file="told.mako"/>\
<%
    def now(column):
        there = f"CAST(l.{column.name} AS text)"
        if column.position is None:
            return there
        return (
            f"CASE WHEN later.lead_id IS NULL THEN {there}\n                    "
            f"ELSE later.old_values[{column.position}] END"
        )

    def wrote(column):
        if kind == "created":
            return f"CAST({column.for_new} AS text)"
        held = f"i.old_values[{column.position}]" if kind == "updated" else now(column)
        return table.text_after(column, held)

    def by_type(value):
        """Equal numbers may be different texts."""
        return lambda column: (
            value(column) if column.found.is_text else f"CAST({value(column)} AS {column.found.type})"
        )

    compared = table.columns if kind == "created" else table.compared
%>\
% if kind == "created":
-- Created leads hold the record, blanks too, unless their row is still the import's own: then a
-- trigger has filled blanks.
% elif kind == "updated":
-- Updated leads hold the record, and for a blank their old value.
% else:
-- Unchanged leads hold the record's values. The ledger does not know them, so find them by phone.
% endif
INSERT INTO lead_verify_found (record, edited)
SELECT
    s.record,
    CASE
% if kind == "created":
        WHEN l.xmin = CAST(CAST(i.written_by AS text) AS xid) THEN '{}'
% endif
        WHEN l.${table.id} IS NOT NULL THEN array_remove(ARRAY[
% for columns in table.by_field(compared):
            CASE
                WHEN ${told.field(columns, by_type(now))}
                    IS DISTINCT FROM ${told.field(columns, by_type(wrote))}
% if columns[0].found.is_text:
                    COLLATE "C"
% endif
% if columns[0].converts:
                    AND ${columns[0].converts}
% endif
                THEN ${literal(columns[0].field.name)}
            END${"" if loop.last else ","}
% endfor
        ]::text[], NULL)
    END
FROM lead_import_stage AS s
% if kind == "created":
JOIN lead_verify_created AS i ON i.record = s.record
% elif kind == "updated":
JOIN (
    SELECT record, lead_id, ${table.as_today("old_values")} AS old_values
    FROM lead_before_images
    WHERE import_id = :import AND record >= :first AND record < :end
) AS i ON i.record = s.record
% endif
% if kind == "unchanged":
CROSS JOIN LATERAL (
    ${leads.lead_of_phone()}
) AS l
% else:
LEFT JOIN LATERAL (
    SELECT l.*, l.xmin
    FROM ${table.name} AS l
    WHERE l.${table.id} = CAST(i.lead_id AS ${table.id_type})
    LIMIT 1
) AS l ON true
% endif
LEFT JOIN lead_verify_later AS later ON later.lead_id = CAST(l.${table.id} AS text)
WHERE s.record >= :first AND s.record < :end
% if kind != "created":
    AND NOT EXISTS (SELECT FROM lead_verify_found AS f WHERE f.record = s.record)
% endif
