-- Is a text filled in one of the first rows?
SELECT EXISTS (
    SELECT FROM (SELECT phone FROM sales.customers LIMIT 100000) AS sample
    WHERE phone <> ''
)
