-- Phones as E.164, an account that every row must name, times without a zone that must be there.
CREATE TABLE contacts (
    id serial PRIMARY KEY,
    name varchar DEFAULT '',
    email varchar,
    phone_number varchar,
    account_id integer NOT NULL,
    created_at timestamp NOT NULL,
    updated_at timestamp NOT NULL,
    additional_attributes jsonb DEFAULT '{}',
    contact_type integer DEFAULT 0,
    middle_name varchar DEFAULT '',
    last_name varchar DEFAULT '',
    country_code varchar DEFAULT '',
    blocked boolean NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX uniq_email_per_account_contact ON contacts (email, account_id);
CREATE INDEX index_contacts_on_phone_number_and_account_id ON contacts (phone_number, account_id);
INSERT INTO contacts (name, email, phone_number, account_id, created_at, updated_at)
VALUES
    ('Ann Invented', 'a@example.com', 'E164PHONE0', 1, now(), now()),
    ('Bob Invented', 'b@example.com', '+447700900998', 1, now(), now());
