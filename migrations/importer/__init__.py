"""The reusable engine: SQLAlchemy Core and Postgres, no Alembic. Enter through ``v1``."""
