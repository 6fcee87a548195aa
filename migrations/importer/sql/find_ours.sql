INSERT INTO lead_revert_ours (version)
SELECT written_by FROM lead_import_batches
UNION
SELECT restored_by FROM lead_before_images WHERE restored_by IS NOT NULL
