DELETE FROM lead_verify_created;
DELETE FROM lead_verify_later;
DELETE FROM lead_verify_found
