-- Ids that the program makes, a tenant and an agent that every row must name.
CREATE TABLE tenants (id uuid PRIMARY KEY, name varchar);
CREATE TABLE users (id uuid PRIMARY KEY, email varchar NOT NULL UNIQUE);
CREATE TABLE leads (
    id uuid NOT NULL PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    agent_id uuid NOT NULL REFERENCES users (id),
    customer_name varchar NOT NULL,
    phone varchar,
    email varchar,
    source varchar,
    status varchar,
    notes varchar,
    next_followup timestamptz,
    created_at timestamp NOT NULL,
    updated_at timestamp NOT NULL
);
INSERT INTO tenants VALUES ('00000000-0000-0000-0000-000000000001', 'Invented');
INSERT INTO users VALUES ('00000000-0000-0000-0000-000000000002', 'tyler@example.com');
INSERT INTO leads
    (id, tenant_id, agent_id, customer_name, phone, email, status, created_at, updated_at)
VALUES
    (gen_random_uuid(), '00000000-0000-0000-0000-000000000001',
    '00000000-0000-0000-0000-000000000002', 'Ann Invented', 'PHONE0', 'a@example.com', 'new',
    now(), now()),
    (gen_random_uuid(), '00000000-0000-0000-0000-000000000001',
    '00000000-0000-0000-0000-000000000002', 'Bob Invented', '07700 900998', 'b@example.com', 'new',
    now(), now());
