CREATE TYPE stage AS ENUM ('NEW', 'WON', 'LOST');
CREATE TABLE people (id uuid PRIMARY KEY, login text UNIQUE NOT NULL, mail text);
CREATE TABLE customers (
    code serial PRIMARY KEY,
    reference varchar(20),
    first_name text NOT NULL,
    last_name text,
    phone_number varchar(20) NOT NULL,
    email text,
    stage stage NOT NULL,
    notes text NOT NULL DEFAULT '',
    owner uuid REFERENCES people,
    bill numeric(8, 2),
    panels integer,
    has_battery boolean,
    visit date,
    called timestamptz,
    source text NOT NULL,
    is_deleted boolean NOT NULL DEFAULT false,
    created_on timestamp NOT NULL,
    changed_on timestamptz
);
INSERT INTO people VALUES
    ('00000000-0000-4000-8000-000000000001', 'anna', 'anna@example.org'),
    ('00000000-0000-4000-8000-000000000002', 'desk', NULL);
INSERT INTO customers (
    reference, first_name, last_name, phone_number, email, stage, notes, owner, bill, panels,
    has_battery, visit, called, source, is_deleted, created_on, changed_on
) VALUES
    ('C-1', 'Old', NULL, '07700 900001', NULL, 'NEW', 'Here.', NULL, 10, 1, true, '2024-01-01', NULL, 'web', false, '2020-01-01', NULL),
    ('C-2', 'Same', 'Name', '+447700900002', 'same@example.org', 'WON', '', NULL, NULL, NULL, NULL, NULL, NULL, 'web', false, '2020-01-02', NULL),
    ('C-3', 'In', 'The Bin', '07700 900003', NULL, 'LOST', '', NULL, NULL, NULL, NULL, NULL, NULL, 'web', true, '2020-01-03', NULL),
    ('C-4', 'Older', 'Twin', '07700 900004', NULL, 'NEW', '', NULL, NULL, NULL, NULL, NULL, NULL, 'web', false, '2020-01-04', NULL),
    ('C-5', 'Younger', 'Twin', '0044 7700 900004', NULL, 'NEW', '', NULL, NULL, NULL, NULL, NULL, NULL, 'web', false, '2020-01-05', NULL),
    ('C-6', 'Nobody''s', 'Record', '07700 900009', NULL, 'NEW', '', NULL, NULL, NULL, NULL, NULL, NULL, 'web', false, '2020-01-06', NULL)
