-- Force an index lookup per record. Temporary tables have no statistics, so the planner might scan
-- the leads. LATERAL with LIMIT or OFFSET keeps it from beginning with them, and these settings
-- remove the alternatives. (Not enable_seqscan: until Postgres 17 it blinds the planner if a
-- sequential scan is the only way, as for a temporary table.)
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_material = off
SET jit = off
