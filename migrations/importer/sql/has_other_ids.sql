-- Whether the ledger has an id of a revision's leads that is none of today's type.
SELECT EXISTS (
    SELECT FROM lead_imports AS i
    JOIN (
        SELECT import_id, lead_id FROM lead_before_images
        UNION ALL
        SELECT import_id, unnest(created_ids) FROM lead_import_batches
    ) AS leads ON leads.import_id = i.id
    WHERE i.revision = :revision AND leads.lead_id !~ :id
)
