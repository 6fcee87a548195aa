-- Make the temporary tables a revert works with.

-- Created leads the import has not updated since, if they are to be removed, each with the
-- transaction of its INSERT.
CREATE TEMPORARY TABLE lead_revert_made (
    lead_id text PRIMARY KEY,
    record integer NOT NULL,
    written_by bigint NOT NULL
);
CREATE INDEX lead_revert_made_record ON pg_temp.lead_revert_made (record);

-- The transactions of imports and their reverts, if they wrote leads.
CREATE TEMPORARY TABLE lead_revert_ours (version bigint PRIMARY KEY);

-- Versions of a lead's row made by a revert, each with the earlier version it equals: between the
-- two, only imports have written the lead.
CREATE TEMPORARY TABLE lead_revert_same (
    lead_id text NOT NULL,
    version bigint NOT NULL,
    was bigint NOT NULL,
    PRIMARY KEY (lead_id, version, was)
);

-- Updated leads as they will be, each with its record. ours: imports had written it before, and
-- nobody has since. kept: something stays unlike it was before the import.
CREATE TEMPORARY TABLE lead_revert_restore (
    _lead_id ${table.id_type} PRIMARY KEY,
% for column in table.compared:
    ${column.name} ${column.found.type},
% endfor
% if table.touch:
    ${table.touch.name} ${table.touch.found.type},
% endif
    _record bigint NOT NULL,
    _ours boolean NOT NULL,
    _kept boolean NOT NULL
) ON COMMIT DELETE ROWS;

-- Created leads nobody has touched: referenced ones stay, the others are removed.
CREATE TEMPORARY TABLE lead_revert_remove (
    record integer NOT NULL,
    lead_id ${table.id_type} PRIMARY KEY,
    referenced boolean NOT NULL DEFAULT false,
    removed boolean NOT NULL DEFAULT false
) ON COMMIT DELETE ROWS
