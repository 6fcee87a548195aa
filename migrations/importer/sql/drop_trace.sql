DROP TABLE IF EXISTS pg_temp.lead_trace_asked, pg_temp.lead_trace_lead
