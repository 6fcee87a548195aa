-- Count the rows a lookup has found for a word.
SELECT count(*)
FROM lead_import_found
WHERE field = :field AND value = :value AND id IS NOT NULL
