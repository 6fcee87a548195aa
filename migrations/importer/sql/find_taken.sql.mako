<%namespace name="leads" file="leads.mako"/>\
<%
    import itertools
    keys = [f"k{n}" for n, _ in enumerate(unique.keys, start=1)]
    told = ", ".join(f"{table.leads.table}.{column}" for column in unique.columns)
    row = "row" if table.leads.only else "lead"  # perhaps one that only leaves out
    reason = f"is another {row}'s or record's, and {told} is unique"

    def is_taken(nulls):
        """The condition for keys of which these are NULL, so that an index can serve it."""
        here = [f"c.{key} IS {'' if null else 'NOT '}NULL" for key, null in zip(keys, nulls)]
        there = [
            f"({escaped(sql)}) IS NULL" if null else f"({escaped(sql)}) = c.{key}"
            for key, sql, null in zip(keys, unique.keys, nulls)
        ]
        return here, there

    either = (False, True) if unique.has_one_null else (False,)
%>\
-- Find records whose unique values another lead has, or an earlier record with another phone.
INSERT INTO lead_import_rejected (record, field, reason)
WITH ${leads.keyed(unique, fails, changes)},
compared AS (
    SELECT
        *,
        first_value(_phone_key) OVER (PARTITION BY ${", ".join(keys)} ORDER BY _record) AS first
    FROM keyed
    % if not unique.has_one_null:
    WHERE ${(" AND ").join(f"{key} IS NOT NULL" for key in keys)}
    % endif
)
SELECT c._record, ${literal(field)}, ${literal(reason)}
FROM compared AS c
WHERE c._record >= :start
    AND (
        c.first <> c._phone_key
% for here, there in map(is_taken, itertools.product(either, repeat=len(keys))):
        OR ${(" AND ").join(here)}
        AND EXISTS (
            SELECT FROM ${table.whole}
            WHERE (${escaped(unique.predicate)})
                AND ${(" AND ").join(there)}
                AND ${table.id} IS DISTINCT FROM c._lead_id
        )
% endfor
    )
