-- Find the records of imports that added the lead.
SELECT b.import_id, made.record, b.started_at AS at
FROM lead_import_batches AS b
CROSS JOIN LATERAL unnest(b.created_ids, b.created_records) AS made (lead_id, record)
WHERE (SELECT lead_id FROM lead_trace_lead) = ANY (b.created_ids)
    AND made.lead_id = (SELECT lead_id FROM lead_trace_lead)
