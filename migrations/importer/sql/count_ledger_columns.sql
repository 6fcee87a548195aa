SELECT count(*)
FROM pg_catalog.pg_attribute
WHERE attrelid = to_regclass('lead_imports') AND attname = ANY(:columns) AND NOT attisdropped
