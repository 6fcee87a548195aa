SELECT r.record + 1 AS record, r.field, r.reason, count(*) OVER () AS total
FROM lead_import_rejects AS r
JOIN unnest(CAST(:imports AS bigint[]), CAST(:starts AS bigint[])) AS done (import_id, start)
    ON r.import_id = done.import_id AND r.record >= done.start
ORDER BY r.import_id, r.record, r.field, r.reason
LIMIT :most
