-- Find the sequence that a column's default draws from, else the one it owns. A role without the right
-- to ask would be told "none given", so it finds no sequence.
-- is_in_steps: up by more than one, as beside another master, or down. Then a larger id does not say
-- that the next number is taken.
-- numbers: how many sequence and column have left. NULL if it goes down, or begins again at its end.
SELECT
    format('%I.%I', s.schemaname, s.sequencename) AS name,
    s.last_value,
    s.increment_by <> 1 AS is_in_steps,
    CASE WHEN s.increment_by > 0 AND NOT s.cycle THEN div(
        CAST(least(s.max_value, a.largest) AS numeric)
            - coalesce(s.last_value, s.start_value - s.increment_by),
        s.increment_by
    ) END AS numbers,
    has_sequence_privilege(c.oid, 'SELECT') AS may_look
FROM (
    SELECT
        CASE atttypid WHEN 'smallint'::regtype THEN 32767 WHEN 'integer'::regtype THEN 2147483647 END
            AS largest,
        coalesce(
            (
                SELECT min(d.refobjid)
                FROM pg_catalog.pg_attrdef AS e
                JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_attrdef'::regclass
                    AND d.objid = e.oid AND d.refclassid = 'pg_class'::regclass
                JOIN pg_catalog.pg_class AS drawn ON drawn.oid = d.refobjid AND drawn.relkind = 'S'
                WHERE e.adrelid = attrelid AND e.adnum = attnum
            ),
            to_regclass(pg_get_serial_sequence(:name, :id))
        ) AS sequence
    FROM pg_catalog.pg_attribute
    WHERE attrelid = to_regclass(:name) AND attname = :id
) AS a
JOIN pg_catalog.pg_class AS c ON c.oid = a.sequence
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_sequences AS s ON s.schemaname = n.nspname AND s.sequencename = c.relname
WHERE CASE c.relkind WHEN 'S' THEN has_sequence_privilege(c.oid, 'SELECT, USAGE') END
