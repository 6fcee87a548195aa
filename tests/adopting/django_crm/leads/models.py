"""Leads with a status to choose, an agent who is a user, and an audit trail that save() writes."""

from typing import Any

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models


class Lead(models.Model):
    """A person to call."""

    class Status(models.TextChoices):
        """How far the talks are."""

        NEW = "new"
        CONTACTED = "contacted"
        WON = "won"
        LOST = "lost"

    lead_number = models.CharField(max_length=20, unique=True, null=True, blank=True)
    full_name = models.CharField(max_length=255)
    phone = models.CharField(
        max_length=20, unique=True, validators=[RegexValidator(r"^[+0-9 ().-]+$")]
    )
    email = models.EmailField(null=True, blank=True)
    status = models.CharField(max_length=30, choices=Status.choices, default=Status.NEW)
    assigned_agent = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    address1 = models.CharField(max_length=255, blank=True)
    postal_code = models.CharField(max_length=20)
    notes = models.TextField(blank=True)
    is_deleted = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    def save(self, *arguments: Any, **more: Any) -> None:
        """Write the lead, and that it was written."""
        super().save(*arguments, **more)
        AuditLog.objects.create(lead=self, action="saved")


class AuditLog(models.Model):
    """Each time that a lead was saved."""

    lead = models.ForeignKey(Lead, on_delete=models.CASCADE)
    action = models.CharField(max_length=20)
