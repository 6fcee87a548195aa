## The fields of a lead as texts.

## The columns of one field as one text.
<%def name="field(group, value)">\
<%
    values = [value(column) for column in group]
    words = ",\n                    ".join(f"nullif({value}, '')" for value in values)
%>\
${values[0] if len(values) == 1 else f"concat_ws(' ',\n                    {words})"}\
</%def>

## The names of the fields that differ, whatever their length.
<%def name="differing(table, columns, old, new)">\
ARRAY(
        SELECT name
        FROM (
            VALUES
% for group in table.by_field(columns):
                (
                    ${literal(group[0].field.name)},
                    ${field(group, old)},
                    ${field(group, new)}
                )${"" if loop.last else ","}
% endfor
        ) AS told (name, old, new)
        WHERE old IS DISTINCT FROM new
    )\
</%def>

## longest: characters, the rest is cut off. None shows all.
<%def name="fields(table, columns, value, longest=None)">\
json_build_object(
% for group in table.by_field(columns):
<%
    told = capture(field, group, value)
    told = f"left({told}, {longest + 1})" if longest else told
%>\
            ${literal(group[0].field.name)}, ${told}${"" if loop.last else ","}
% endfor
        )\
</%def>
