-- Do existing phones, the first thousand, all begin with a plus and hold digits alone?
SELECT count(*) > 0 AND bool_and(phone ~ '^[+][1-9][0-9]{6,14}$')
FROM (SELECT phone FROM sales.customers WHERE phone <> '' LIMIT 1000) AS sample
