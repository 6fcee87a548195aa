<%namespace name="shared" file="shared.mako"/>\
<%
    keys = [f"k{n}" for n, _ in enumerate(unique.keys, start=1)]
    given = [(key, as_sql(sql)) for key, sql in zip(keys, unique.keys)]
    written = [column for column in table.columns if column.bare in unique.columns]
    told = ", ".join(table.told(column) for column in written)
    reason = f"is another lead's or record's, and {told} is unique"
%>\
-- Find records whose unique values another lead has, or an earlier record with another phone.
INSERT INTO lead_import_rejected (record, field, reason)
WITH would_be AS (
    SELECT
        s.record AS _record,
        s.phone_key AS _phone_key,
        l._id,
        ${(",\n        ").join(f"{value} AS {name}" for name, value in table.would_be(unique.columns))}
    FROM lead_import_stage AS s
    LEFT JOIN LATERAL (
        ${shared.lead_of_phone()}
    ) AS l ON true
    -- If it cannot be computed for a record, this is listed already.
    WHERE s.record NOT IN (
        SELECT record FROM lead_import_rejected WHERE reason = ${literal(fails)}
    )
),
keyed AS (
    SELECT
        _record,
        _phone_key,
        _id,
        ${(",\n        ").join(f"{sql} AS {key}" for key, sql in given)}
    FROM would_be
    WHERE ${as_sql(unique.predicate)}
),
compared AS (
    SELECT
        *,
        min(_phone_key) OVER earlier AS least,
        max(_phone_key) OVER earlier AS greatest
    FROM keyed
    WHERE ${(" AND ").join(f"{key} IS NOT NULL" for key in keys)}
    WINDOW earlier AS (
        PARTITION BY ${", ".join(keys)}
        ORDER BY _record
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    )
)
SELECT c._record, ${literal(written[0].field.name)}, ${literal(reason)}
FROM compared AS c
WHERE c._record >= :start
    AND (
        c.least <> c._phone_key
        OR c.greatest <> c._phone_key
        OR EXISTS (
            SELECT FROM ${table.whole}
            WHERE (${as_sql(unique.predicate)})
                AND ${(" AND ").join(f"({sql}) = c.{key}" for key, sql in given)}
                AND ${table.id} IS DISTINCT FROM c._id
        )
    )
