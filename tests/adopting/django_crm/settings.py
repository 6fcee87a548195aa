"""Settings of the Django CRM. The database is that of DATABASE_URL."""

import os

from sqlalchemy import make_url

_url = make_url(os.environ["DATABASE_URL"])

SECRET_KEY = "of a throwaway project"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "leads"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _url.database,
        "USER": _url.username,
        "PASSWORD": _url.password or "",
        "HOST": _url.host or str(_url.query.get("host", "")),
        "PORT": str(_url.port or _url.query.get("port", "")),
    }
}
