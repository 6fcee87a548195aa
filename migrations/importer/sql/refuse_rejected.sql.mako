-- Stop a script at records that do not fit the table. Nothing of it is written then.
DO $refuse$
DECLARE
    _problems text := (
        SELECT string_agg(format('record %s, %s: %s', record + 1, field, reason), E'\n')
        FROM lead_import_rejected
        WHERE reason <> ${literal(erased)}
    );
BEGIN
    IF _problems IS NOT NULL THEN
        RAISE EXCEPTION E'the table does not take the export, and nothing was written:\n%', _problems;
    END IF;
END
$refuse$
