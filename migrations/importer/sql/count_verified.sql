SELECT
    count(*) FILTER (WHERE cardinality(f.edited) > 0) AS edited,
    count(*) FILTER (WHERE f.record IS NOT NULL AND f.edited IS NULL) AS removed,
    count(*) FILTER (WHERE f.record IS NULL) AS lost
FROM lead_import_stage AS s
LEFT JOIN lead_verify_found AS f ON f.record = s.record
