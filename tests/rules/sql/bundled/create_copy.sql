-- Make room for the leads a preview changes or adds, and a view of all leads as they would be. Ids
-- come from a sequence of its own.
CREATE TEMPORARY TABLE pg_temp.lead_preview_copy (
    LIKE leads INCLUDING DEFAULTS INCLUDING GENERATED
);
CREATE UNIQUE INDEX ON pg_temp.lead_preview_copy (id);
CREATE INDEX ON pg_temp.lead_preview_copy (pg_temp.lead_phone_key_v1(CAST(phone AS text)));
CREATE INDEX ON pg_temp.lead_preview_copy ((lower(email))) WHERE email IS NOT NULL;
CREATE TEMPORARY VIEW pg_temp.lead_preview_whole AS
SELECT * FROM leads AS l
WHERE NOT EXISTS (SELECT FROM pg_temp.lead_preview_copy AS c WHERE c.id = l.id)
UNION ALL
SELECT * FROM pg_temp.lead_preview_copy;
CREATE TEMPORARY SEQUENCE pg_temp.lead_preview_numbers;
SELECT setval('pg_temp.lead_preview_numbers', max(id)) FROM leads WHERE id > 0;
