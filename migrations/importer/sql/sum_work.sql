-- Sum up how long each import's batches took, without the time between them, such as two days until
-- the next deploy.
SELECT
    import_id,
    sum(next_record - first_record) AS records,
    CAST(extract(epoch FROM sum(finished_at - started_at)) AS double precision) AS seconds,
    max(finished_at) AS last_at
FROM lead_import_batches
GROUP BY import_id
