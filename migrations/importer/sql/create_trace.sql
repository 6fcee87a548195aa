-- asked: the words somebody looks a lead up by. lead: the id of the one meant. Both are people's
-- data, so they come by COPY.
CREATE TEMPORARY TABLE lead_trace_asked (value text NOT NULL);
CREATE TEMPORARY TABLE lead_trace_lead (lead_id text NOT NULL)
