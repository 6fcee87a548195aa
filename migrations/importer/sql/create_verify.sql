-- created: the leads the import has added. later: leads updated by later imports, as the first of
-- these found them. found: where each record is today, and which fields people have edited. NULL
-- means they removed the lead.
CREATE TEMPORARY TABLE lead_verify_created (
    record integer PRIMARY KEY, lead_id text NOT NULL, written_by bigint NOT NULL
);
CREATE TEMPORARY TABLE lead_verify_later (lead_id text PRIMARY KEY, old_values text[] NOT NULL);
CREATE TEMPORARY TABLE lead_verify_found (record integer PRIMARY KEY, edited text[])
