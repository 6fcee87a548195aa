-- Is the table there, did a revision make it, and which other tables refer to it?
SELECT
    to_regclass(:table) IS NOT NULL AS is_there,
    EXISTS (
        SELECT FROM pg_catalog.pg_constraint
        WHERE conrelid = to_regclass(:table) AND contype = 'p'
            AND obj_description(oid, 'pg_constraint') = :mark
    ) AS is_ours,
    (
        SELECT string_agg(DISTINCT conrelid::regclass::text, ', ')
        FROM pg_catalog.pg_constraint
        WHERE contype = 'f' AND confrelid = to_regclass(:table) AND conrelid <> confrelid
    ) AS referrers
