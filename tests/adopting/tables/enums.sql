-- A table leads that is another one than ours: enums without a default, an agent that may be NULL.
CREATE TYPE leadstatus AS ENUM
    ('NUEVO', 'EN_CONVERSACION', 'POTENCIAL', 'VENTA_CERRADA', 'PERDIDO');
CREATE TYPE leadsource AS ENUM ('WEBSITE', 'WHATSAPP', 'REFERIDO', 'OTRO');
CREATE TABLE users (
    id serial PRIMARY KEY,
    email varchar(255) NOT NULL UNIQUE,
    full_name varchar(255) NOT NULL
);
CREATE TABLE leads (
    id serial PRIMARY KEY,
    name varchar(255) NOT NULL,
    phone varchar(20) NOT NULL,
    email varchar(255),
    address text,
    city varchar(100),
    status leadstatus NOT NULL,
    source leadsource NOT NULL,
    notes text,
    assigned_to_id integer REFERENCES users (id),
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz
);
CREATE INDEX ix_leads_phone ON leads (phone);
INSERT INTO users (email, full_name) VALUES ('tyler@example.com', 'Tyler');
INSERT INTO leads (name, phone, email, status, source, assigned_to_id)
VALUES
    ('Ann Invented', 'PHONE0', 'a@example.com', 'NUEVO', 'WEBSITE', 1),
    ('Bob Invented', '07700 900998', 'b@example.com', 'NUEVO', 'WEBSITE', 1);
