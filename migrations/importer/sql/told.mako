## The fields of a lead as texts, cut off where they are too long to be shown.

<%def name="fields(table, columns, value, longest)">\
json_build_object(
% for group in table.by_field(columns):
<%
    values = [value(column) for column in group]
    told = values[0] if len(values) == 1 else "concat_ws(' ', " + ", ".join(values) + ")"
%>\
            ${literal(group[0].field.name)}, left(${told}, ${longest + 1})${"" if loop.last else ","}
% endfor
        )\
</%def>
