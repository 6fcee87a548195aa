-- A schema for each workspace, camel case, and phones in three columns.
CREATE SCHEMA workspace_1inv;
CREATE TABLE workspace_1inv.person (
    id uuid NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    "createdAt" timestamptz NOT NULL DEFAULT now(),
    "updatedAt" timestamptz NOT NULL DEFAULT now(),
    "deletedAt" timestamptz,
    "nameFirstName" text,
    "nameLastName" text,
    "emailsPrimaryEmail" text,
    "phonesPrimaryPhoneNumber" text,
    "phonesPrimaryPhoneCountryCode" text,
    "phonesPrimaryPhoneCallingCode" text,
    "phonesAdditionalPhones" jsonb,
    "searchVector" tsvector
        GENERATED ALWAYS AS (to_tsvector('simple', coalesce("nameFirstName", ''))) STORED
);
INSERT INTO workspace_1inv.person ("nameFirstName", "phonesPrimaryPhoneNumber")
VALUES ('Ann', '7700900998');
