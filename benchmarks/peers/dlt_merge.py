"""Import with dlt: merge a resource into leads by its phone."""

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from urllib.parse import urlsplit

URL, EXPORT = sys.argv[1:]
os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "CRITICAL"}

import dlt  # noqa: E402  # importing it reads its settings

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
COLUMNS = [*FIELDS, "created_at"]


@dlt.resource(
    name="leads",
    primary_key="phone",
    write_disposition={"disposition": "merge", "strategy": "upsert"},
    columns={
        column: {
            "data_type": "timestamp" if column == "created_at" else "text",
            "nullable": column != "phone",
        }
        for column in COLUMNS
    },
)
def leads() -> Iterator[list[dict[str, str]]]:
    with open(EXPORT, encoding="utf-8") as file:
        yield [{column: record[column] for column in COLUMNS} for record in json.load(file)]


parts = urlsplit(URL)
# dlt insists on a host and a password. libpq prefers the host in the query, for example a socket's
# directory.
host = f"{parts.hostname or 'localhost'}:{parts.port or 5432}"
address = parts._replace(netloc=f"{parts.username}:{parts.password or 'none'}@{host}").geturl()
with tempfile.TemporaryDirectory() as folder:
    pipeline = dlt.pipeline(
        "bench",
        pipelines_dir=folder,
        destination=dlt.destinations.postgres(address),
        dataset_name="public",
    )
    pipeline.run(leads).raise_on_failed_jobs()
