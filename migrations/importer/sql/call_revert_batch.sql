SELECT pg_temp.lead_import_revert_batch(
    (SELECT id FROM lead_imports WHERE revision = :revision AND reverted_at IS NULL),
    :first, :end, :remove_created)
