-- Quoted camel case, a name in two columns, row-level security that the owner passes.
CREATE TABLE app_users (id uuid PRIMARY KEY);
CREATE TABLE leads (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    user_id uuid REFERENCES app_users (id) NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    "firstName" text NOT NULL,
    "lastName" text NOT NULL,
    "phoneNumber" text NOT NULL,
    address text,
    city text,
    zip text,
    status text DEFAULT 'Not Called',
    "tcpaAcknowledged" boolean DEFAULT false,
    notes text
);
ALTER TABLE leads ENABLE ROW LEVEL SECURITY;
INSERT INTO app_users VALUES ('00000000-0000-0000-0000-000000000002');
INSERT INTO leads (user_id, "firstName", "lastName", "phoneNumber")
VALUES
    ('00000000-0000-0000-0000-000000000002', 'Ann', 'Invented', 'PHONE0'),
    ('00000000-0000-0000-0000-000000000002', 'Bob', 'Invented', '07700 900998');
