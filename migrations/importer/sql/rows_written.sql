-- Count the rows this transaction has written in each table, from Postgres' own counters.
SELECT
    relid::regclass::text AS name,
    n_tup_ins AS inserted,
    n_tup_upd AS updated,
    n_tup_del AS deleted
FROM pg_catalog.pg_stat_xact_user_tables
WHERE relid NOT IN (SELECT oid FROM pg_catalog.pg_class WHERE relpersistence = 't')
ORDER BY name
