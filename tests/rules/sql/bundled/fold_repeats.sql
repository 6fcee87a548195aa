-- Give a phone's last record the earlier ones' values for blanks that keep them, and the first one's
-- time and what only new leads get, as if they had been imported one by one.
UPDATE lead_import_stage AS s
SET
    lead_number = folded.lead_number,
    full_name = folded.full_name,
    phone = folded.phone,
    email = folded.email,
    status = folded.status,
    address1 = folded.address1,
    postal_code = folded.postal_code,
    notes = folded.notes,
    assigned_agent = folded.assigned_agent,
    created_at = folded.created_at
FROM (
    SELECT
        r.last_record,
        (array_agg(lead_number ORDER BY record DESC) FILTER (WHERE lead_number IS NOT NULL))[1]
            AS lead_number,
        (array_agg(full_name ORDER BY record DESC) FILTER (WHERE full_name IS NOT NULL))[1]
            AS full_name,
        (array_agg(phone ORDER BY record DESC) FILTER (WHERE phone IS NOT NULL))[1]
            AS phone,
        (array_agg(email ORDER BY record DESC) FILTER (WHERE email IS NOT NULL))[1]
            AS email,
        (array_agg(status ORDER BY record DESC) FILTER (WHERE status IS NOT NULL))[1]
            AS status,
        (array_agg(address1 ORDER BY record DESC) FILTER (WHERE address1 IS NOT NULL))[1]
            AS address1,
        (array_agg(postal_code ORDER BY record DESC) FILTER (WHERE postal_code IS NOT NULL))[1]
            AS postal_code,
        (array_agg(notes ORDER BY record DESC) FILTER (WHERE notes IS NOT NULL))[1]
            AS notes,
        (array_agg(assigned_agent ORDER BY record DESC) FILTER (WHERE assigned_agent IS NOT NULL))[1]
            AS assigned_agent,
        (array_agg(created_at ORDER BY record))[1] AS created_at
    FROM lead_import_repeats AS r
    JOIN lead_import_stage USING (record)
    GROUP BY r.last_record
) AS folded
WHERE s.record = folded.last_record
