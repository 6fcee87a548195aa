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
) ON COMMIT DELETE ROWS
