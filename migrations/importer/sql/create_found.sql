-- What the records name in other tables, and the rows found by it.
CREATE TEMPORARY TABLE lead_import_found (
    field text NOT NULL,
    value text NOT NULL,
    id text NOT NULL,
    PRIMARY KEY (field, value)
);
CREATE TEMPORARY TABLE lead_import_wanted (value text NOT NULL, name text NOT NULL)
