-- Find the first and the last text of a column. They are the same if all rows share one value.
SELECT min(stage::text) AS least, max(stage::text) AS most, count(*) AS rows
FROM (SELECT stage FROM sales.customers LIMIT 100000) AS sample
