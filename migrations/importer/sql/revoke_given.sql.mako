-- Take from everybody but its owner what default privileges give them on a new table and its
-- sequence. On some platforms they give whoever calls a public API all there is.
DO $revoke$
DECLARE
    _name text;
    _grantee text;
BEGIN
    FOR _name, _grantee IN
        SELECT DISTINCT
            c.oid::regclass,
            CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END
        FROM pg_catalog.pg_class AS c
        CROSS JOIN LATERAL aclexplode(c.relacl) AS a
        WHERE a.grantee <> c.relowner AND c.oid IN (
            SELECT ${literal(name)}::regclass
            UNION ALL
            SELECT objid
            FROM pg_catalog.pg_depend
            WHERE refclassid = 'pg_class'::regclass AND refobjid = ${literal(name)}::regclass
                AND classid = 'pg_class'::regclass AND deptype = 'i'
        )
    LOOP
        EXECUTE format('REVOKE ALL ON TABLE %s FROM %s', _name, _grantee);
    END LOOP;
END
$revoke$
