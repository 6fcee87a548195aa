-- Find records without a phone key: the server has the last word on what is a phone.
SELECT record FROM ${table.arrivals} WHERE phone_key IS NULL ORDER BY record
