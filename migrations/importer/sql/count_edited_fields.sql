SELECT field, count(*) AS leads
FROM lead_verify_found, unnest(edited) AS field
GROUP BY field
ORDER BY leads DESC, field
