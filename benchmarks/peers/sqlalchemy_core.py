"""Import with SQLAlchemy Core: INSERT … ON CONFLICT, 1000 rows a statement, one transaction."""

import json
import sys

from sqlalchemy import MetaData, Table, create_engine, func, make_url, text
from sqlalchemy.dialects.postgresql import insert

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
leads = Table("leads", MetaData(), autoload_with=engine)
with open(EXPORT, encoding="utf-8") as file:
    rows = [
        {field: record[field] for field in [*FIELDS, "created_at"]} for record in json.load(file)
    ]
statement = insert(leads)
statement = statement.on_conflict_do_update(
    index_elements=[text("lead_phone_key_v1(phone)")],
    set_={field: statement.excluded[field] for field in FIELDS} | {"updated_at": func.now()},
)
with engine.begin() as connection:
    # SQLAlchemy makes statements of 1000 rows only if an upsert returns something. Others go row
    # by row.
    connection.execute(statement.returning(leads.c.id), rows).all()
