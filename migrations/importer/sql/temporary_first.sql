-- Take pg_temp out of search_path: then temporary tables are found before others of their name.
SELECT set_config('search_path', string_agg(quote_ident(name), ', ' ORDER BY place), true)
FROM unnest(current_schemas(false)) WITH ORDINALITY AS schema (name, place)
WHERE name NOT LIKE 'pg\_temp%'
