"""Import with pandas: read_json, to_sql into a staging table, one INSERT … ON CONFLICT."""

import sys

import pandas
from sqlalchemy import create_engine, make_url, text

URL, EXPORT = sys.argv[1:]
FIELDS = [
    "lead_number",
    "full_name",
    "phone",
    "email",
    "status",
    "address1",
    "postal_code",
    "notes",
    "assigned_agent",
]

engine = create_engine(make_url(URL).set(drivername="postgresql+psycopg2"))
frame = pandas.read_json(EXPORT, dtype=False, convert_dates=False)[[*FIELDS, "created_at"]]
columns = ", ".join(FIELDS)
overwrite = ", ".join(f"{field} = excluded.{field}" for field in FIELDS)
with engine.begin() as connection:
    frame.to_sql("leads_stage", connection, index=False, chunksize=10_000)
    connection.execute(
        text(
            f"""
            INSERT INTO leads ({columns}, created_at)
            SELECT {columns}, created_at::timestamptz FROM leads_stage
            ON CONFLICT (lead_phone_key_v1(phone))
            DO UPDATE SET {overwrite}, updated_at = now()
            """
        )
    )
    connection.execute(text("DROP TABLE leads_stage"))
