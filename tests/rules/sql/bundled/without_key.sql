-- Find records without a phone key: the server has the last word on what is a phone.
SELECT record FROM lead_import_stage WHERE phone_key IS NULL ORDER BY record
