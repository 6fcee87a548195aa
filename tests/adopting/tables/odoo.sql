-- Times without a zone, and words that must be there and have no default.
CREATE TABLE res_users (id serial PRIMARY KEY, login varchar NOT NULL UNIQUE);
CREATE TABLE crm_lead (
    id serial PRIMARY KEY,
    name varchar NOT NULL,
    user_id integer REFERENCES res_users (id) ON DELETE SET NULL,
    type varchar NOT NULL,
    priority varchar,
    active boolean,
    contact_name varchar,
    email_from varchar,
    phone varchar,
    mobile varchar,
    phone_sanitized varchar,
    street varchar,
    zip varchar,
    city varchar,
    description text,
    probability double precision CHECK (probability >= 0 AND probability <= 100),
    create_date timestamp,
    write_date timestamp
);
INSERT INTO res_users (login) VALUES ('tyler@example.com');
INSERT INTO crm_lead
    (name, type, contact_name, email_from, phone, create_date, write_date, active, user_id)
VALUES
    ('Enquiry', 'lead', 'Ann Invented', 'a@example.com', 'PHONE0', now(), now(), true, 1),
    ('Enquiry', 'lead', 'Bob Invented', 'b@example.com', '07700 900998', now(), now(), true, 1);
