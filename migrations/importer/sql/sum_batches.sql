-- Sum up the batches and before-images of an import.
SELECT
    coalesce(sum(next_record - first_record), 0) AS records,
    coalesce(sum(created), 0) AS created,
    coalesce(sum(updated), 0) AS updated,
    coalesce(sum(unchanged), 0) AS unchanged,
    coalesce(sum(rejected), 0) AS rejected,
    coalesce(sum(folded), 0) AS folded,
    coalesce(sum(cardinality(created_ids)), 0) AS created_ids,
    (SELECT count(*) FROM lead_before_images WHERE import_id = :import) AS before_images,
    (SELECT count(DISTINCT record) FROM lead_import_rejects WHERE import_id = :import) AS rejects
FROM lead_import_batches
WHERE import_id = :import
