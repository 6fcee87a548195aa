-- What is wrong with records: positions, names and reasons, never a record's value.
CREATE TEMPORARY TABLE lead_import_rejected (
    record integer NOT NULL,
    field text NOT NULL,
    reason text NOT NULL
);
CREATE INDEX lead_import_rejected_record ON pg_temp.lead_import_rejected (record)
