-- Is a text filled in one of the first rows?
SELECT EXISTS (
    SELECT FROM (SELECT ${column} FROM ${table} LIMIT 100000) AS sample
    WHERE ${column} <> ''
)
