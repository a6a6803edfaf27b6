"""One module a version, run by Alembic."""
