-- Updated leads as they will be. kept: something stays that is not what it was before the import.
CREATE TEMPORARY TABLE lead_revert_restore (
    lead_id ${table.id_type} PRIMARY KEY,
% for column in table.compared:
    ${column.name} ${column.found.type},
% endfor
% if table.touch:
    ${table.touch.name} ${table.touch.found.type},
% endif
    _kept boolean NOT NULL
) ON COMMIT DELETE ROWS
