"""Alembic migrations, shipped with the package so that ``usage-billing migrate`` works from anywhere."""
