<%
    keys = [
        (", ".join(f"({escaped(key)})" for key in unique.keys), escaped(unique.predicate))
        for unique in uniques if not unique.is_exclusion
    ]
%>\
-- Make room for the leads a preview changes or adds, and a view of all leads as they would be. Ids
-- come from a sequence of its own.
CREATE TEMPORARY TABLE ${table.name} (
    LIKE ${table.source} INCLUDING DEFAULTS INCLUDING GENERATED
);
CREATE UNIQUE INDEX ON ${table.name} (${table.id});
CREATE INDEX ON ${table.name} (${table.key}(CAST(${table.phone} AS text)));
% for names, predicate in keys:
CREATE INDEX ON ${table.name} (${names}) WHERE ${predicate};
% endfor
CREATE TEMPORARY VIEW ${table.whole} AS
SELECT * FROM ${table.source} AS l
WHERE NOT EXISTS (SELECT FROM ${table.name} AS c WHERE c.${table.id} = l.${table.id})
UNION ALL
SELECT * FROM ${table.name};
CREATE TEMPORARY SEQUENCE ${numbers};
% if table.has_whole_ids:
SELECT setval(${literal(numbers)}, max(${table.id})) FROM ${table.source} WHERE ${table.id} > 0;
% elif table.id in table.numbered:
SELECT setval(${literal(numbers)}, nullif(max(CAST(CAST(${table.id} AS text) AS bigint)), 0))
FROM ${table.source}
WHERE CAST(${table.id} AS text) ~ '^[0-9]{1,18}$';
% endif
% for column, type in table.numbered.items():
ALTER TABLE ${table.name} ALTER COLUMN ${column}
    SET DEFAULT CAST(CAST(nextval(${literal(numbers)}) AS text) AS ${type});
% endfor
