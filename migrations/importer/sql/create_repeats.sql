-- Records of one phone, with the last of them.
CREATE TEMPORARY TABLE lead_import_repeats (
    record integer NOT NULL,
    last_record integer NOT NULL
)
