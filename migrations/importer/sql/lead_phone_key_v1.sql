CREATE FUNCTION lead_phone_key_v1(phone text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $body$
DECLARE
    number text COLLATE "C" := pg_catalog.translate(phone, ' .-', '');
    extension text;
    shortest integer;
BEGIN
    -- Most phones are plain British ones and end here. What follows would come to the same.
    IF number ~ '^(0|[+]44)[1-9][0-9]+$' AND pg_catalog.length(number) BETWEEN 10 AND 14 THEN
        RETURN CASE
            WHEN pg_catalog.starts_with(number, '0') THEN '44' || pg_catalog.substr(number, 2)
            ELSE pg_catalog.substr(number, 2)
        END;
    END IF;
    number := phone;
    extension := '';
    shortest := 9;
    -- Spaces, dots, dashes, brackets and what nobody sees do not count; most phones stop here.
    IF number ~ '[^0-9+]' THEN
        number := pg_catalog.regexp_replace(
            number,
            E'[ \t\n\x0b\f\r.\u00a0\u00ad\u2000-\u2015\u202a-\u202f'
            '\u205f-\u2069\u2212\u3000\ufeff[\\]-]+',
            '', 'g');
    END IF;
    IF number ~ '[^0-9+]' THEN
        number := pg_catalog.regexp_replace(number, '^[tT][eE][lL]:', '');
        -- The bracketed zero goes where the country has it as its trunk prefix; elsewhere it is
        -- part of the number, or nobody's.
        IF pg_catalog.starts_with(number, '+44(0)') THEN
            number := '+44' || pg_catalog.substr(number, 7);
        ELSIF pg_catalog.strpos(number, '(0)') > 0 THEN
            number := pg_catalog.regexp_replace(
                number,
                '^((?:[+]|00)(20|21[1238]|23[1234]|24[39]|25[012456]|26[012345]|27|291|3[123]'
                '|35[3589]|37[03457]|38[01235679]|4[013469]|42[13]|508|5[134578]|59[0134568]'
                '|6[012346]|686|8[1246]|85[056]|88[06]|9[0123458]|96[123467]|97[01267]|99[456]))[(]0[)]',
                E'\\1');
        END IF;
        number := pg_catalog.translate(number, '()', '');
        -- An extension stays part of the key: 12 people behind one switchboard are 12 people.
        extension := pg_catalog.substring(
            number,
            '[0-9](?:;?[eE][xX][tT](?:[nN]|[eE][nN][sS][iI][oO][nN])?[:=]?|[xX#])([0-9]{1,7})$');
        IF extension IS NULL THEN
            extension := '';
        ELSE
            number := pg_catalog.regexp_replace(number, '[^0-9]+[0-9]+$', '');
            extension := 'x' || extension;
        END IF;
    END IF;
    IF pg_catalog.starts_with(number, '00') THEN
        number := '+' || pg_catalog.substr(number, 3);
    ELSIF pg_catalog.starts_with(number, '0') THEN
        number := '+44' || pg_catalog.substr(number, 2);
    ELSIF pg_catalog.length(number) = 10 AND NOT pg_catalog.starts_with(number, '+') THEN
        number := '+44' || number;
    END IF;
    IF pg_catalog.starts_with(number, '+44') THEN
        IF pg_catalog.starts_with(number, '+440') THEN
            number := '+44' || pg_catalog.substr(number, 5);
        END IF;
        number := pg_catalog.substr(number, 2);
    ELSIF pg_catalog.starts_with(number, '+') THEN
        shortest := 6;
        number := pg_catalog.substr(number, 2);
    END IF;
    IF number ~ '^[1-9][0-9]+$' AND pg_catalog.length(number) BETWEEN shortest AND 15 THEN
        RETURN number || extension;
    END IF;
    RETURN NULL;
END
$body$
