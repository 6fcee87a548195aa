-- Temporary tables are found before others of their name, unless search_path says when to look there.
SELECT set_config('search_path', string_agg(quote_ident(name), ', ' ORDER BY place), true)
FROM unnest(current_schemas(false)) WITH ORDINALITY AS schema (name, place)
WHERE name NOT LIKE 'pg\_temp%'
