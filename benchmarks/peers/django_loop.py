"""Import as the original did: with Django's ORM, one record at a time."""

import json
import sys
from urllib.parse import parse_qs, urlsplit

import django
from django.conf import settings
from django.db import models

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

parts = urlsplit(URL)
query = parse_qs(parts.query)
database = {
    "ENGINE": "django.db.backends.postgresql",
    "NAME": parts.path.lstrip("/"),
    "USER": parts.username or "",
    "PASSWORD": parts.password or "",
    "HOST": parts.hostname or query["host"][0],
    "PORT": str(parts.port or query.get("port", ["5432"])[0]),
}
settings.configure(DATABASES={"default": database}, USE_TZ=True)
django.setup()


class Lead(models.Model):
    id = models.BigAutoField(primary_key=True)
    lead_number = models.TextField()
    full_name = models.TextField()
    phone = models.TextField()
    email = models.TextField()
    status = models.TextField()
    address1 = models.TextField()
    postal_code = models.TextField()
    notes = models.TextField()
    assigned_agent = models.TextField()
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        app_label = "crm"
        db_table = "leads"
        managed = False


with open(EXPORT, encoding="utf-8") as file:
    for record in json.load(file):
        values = {field: record[field] for field in FIELDS}
        lead = Lead.objects.filter(phone=record["phone"]).first()
        if lead:
            for field, value in values.items():
                setattr(lead, field, value)
            lead.save()
        else:
            Lead.objects.create(**values, created_at=record["created_at"])
