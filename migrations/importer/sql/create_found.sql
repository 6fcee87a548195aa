-- What the records name in other tables, and the row found by it. NULL if none is.
CREATE TEMPORARY TABLE lead_import_found (
    field text NOT NULL,
    value text NOT NULL,
    name text NOT NULL,
    id text,
    PRIMARY KEY (field, value)
)
