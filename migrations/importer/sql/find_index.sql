-- Find the table's indexes on the phone's key, under any name.
SELECT i.indexrelid::regclass::text AS name, c.relname AS bare, i.indisvalid AS is_valid
FROM pg_catalog.pg_index AS i
JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
WHERE i.indrelid = to_regclass(:name)
    AND i.indpred IS NULL
    AND i.indnkeyatts = 1
    AND regexp_replace(pg_get_indexdef(i.indexrelid, 1, true), '^("[^"]*"|[^(".]*)[.]', '') IN (
        format('lead_phone_key_v1(%s)', :phone),
        format('lead_phone_key_v1(%s::text)', :phone)
    )
