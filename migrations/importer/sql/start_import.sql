INSERT INTO lead_imports
    (revision, export, sha256, records, declaration, policies, ran_by, release)
VALUES
    (:revision, :export, :sha256, :records, :declaration, :policies, :ran_by, :release)
ON CONFLICT (revision) WHERE reverted_at IS NULL DO NOTHING
