-- Find the labels of an enum in their order.
SELECT enumlabel
FROM pg_catalog.pg_enum
WHERE enumtypid = to_regtype(:enum)
ORDER BY enumsortorder
