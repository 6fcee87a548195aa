-- Find the first and the last text of a column. They are the same if all rows share one value.
SELECT min(${column}::text) AS least, max(${column}::text) AS most, count(*) AS rows
FROM (SELECT ${column} FROM ${table} LIMIT 100000) AS sample
