## The fields of a lead as texts.
## longest: characters, the rest is cut off. None shows all.

<%def name="fields(table, columns, value, longest=None)">\
json_build_object(
% for group in table.by_field(columns):
<%
    values = [value(column) for column in group]
    words = ",\n                ".join(f"nullif({value}, '')" for value in values)
    told = values[0] if len(values) == 1 else f"concat_ws(' ', {words})"
    told = f"left({told}, {longest + 1})" if longest else told
%>\
            ${literal(group[0].field.name)}, ${told}${"" if loop.last else ","}
% endfor
        )\
</%def>
