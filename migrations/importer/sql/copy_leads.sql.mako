-- Copy the leads with a phone of the export, unless an earlier import has.
INSERT INTO ${table.name} (
    ${(",\n    ").join(table.stored)}
)
SELECT
    ${(",\n    ").join(f"l.{column}" for column in table.stored)}
FROM ${table.source} AS l
WHERE ${table.phone_key} IN (SELECT phone_key FROM lead_import_stage)
    AND NOT EXISTS (SELECT FROM ${table.name} AS c WHERE c.${table.id} = l.${table.id})
