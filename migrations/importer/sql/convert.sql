DO $convert$
DECLARE
    _records bigint;
BEGIN
    -- Apart, or the table would be in use when it gets an index.
    SELECT coalesce(max(record), -1) + 1 INTO _records FROM lead_import_arrived;
    PERFORM pg_temp.lead_import_convert(0, _records);
END
$convert$
