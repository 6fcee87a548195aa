SELECT pg_temp.lead_import_convert(
    0,
    pg_relation_size('pg_temp.lead_import_arrived') / CAST(current_setting('block_size') AS bigint)
)
