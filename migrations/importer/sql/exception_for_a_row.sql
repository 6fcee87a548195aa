-- Catch errors a row causes: their text may hold values and would stand in the server's log. Raise
-- again what no row is to blame for: lost connections (08), transaction states (25), deadlocks and
-- serialisation failures (40), the server's resources and operators (5…), missing rights (42501),
-- the server's own defects (XX), and our errors (LI).
EXCEPTION WHEN OTHERS OR assert_failure THEN
    IF SQLSTATE ~ '^(08|25|40|5|42501|LI|XX)' THEN
        RAISE;
    END IF;
