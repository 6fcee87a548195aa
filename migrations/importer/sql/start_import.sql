-- Open the row of an import. As long as nothing is imported, it is that of the last try.
INSERT INTO lead_imports AS i
    (revision, export, sha256, records, declaration, policies, ran_by, release)
VALUES
    (:revision, :export, :sha256, :records, :declaration, :policies, :ran_by, :release)
ON CONFLICT (revision) WHERE reverted_at IS NULL DO UPDATE
SET export = EXCLUDED.export,
    sha256 = EXCLUDED.sha256,
    records = EXCLUDED.records,
    declaration = EXCLUDED.declaration,
    policies = EXCLUDED.policies,
    ran_by = EXCLUDED.ran_by,
    release = EXCLUDED.release
WHERE i.next_record = 0 AND i.revert_next_record = 0
