-- Django with tenants: uuids, row-level security that holds for the owner too.
CREATE TABLE organization (id uuid PRIMARY KEY, name varchar(100) NOT NULL);
CREATE TABLE lead (
    id uuid NOT NULL PRIMARY KEY,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    first_name varchar(255),
    last_name varchar(255),
    email varchar(254),
    phone varchar(25),
    status varchar(255),
    is_active boolean NOT NULL,
    custom_fields jsonb NOT NULL,
    org_id uuid NOT NULL REFERENCES organization (id)
);
INSERT INTO organization VALUES ('00000000-0000-0000-0000-000000000001', 'Invented Ltd');
INSERT INTO lead (id, created_at, updated_at, first_name, phone, is_active, custom_fields, org_id)
VALUES (gen_random_uuid(), now(), now(), 'Ann', 'PHONE0', true, '{}',
    '00000000-0000-0000-0000-000000000001');
ALTER TABLE lead ENABLE ROW LEVEL SECURITY;
ALTER TABLE lead FORCE ROW LEVEL SECURITY;
CREATE POLICY org_isolation ON lead
    USING (org_id::text = nullif(current_setting('app.current_org', true), ''));
