"""The durable inbox between the API and the workers: one protocol, kept by Redis or by PostgreSQL. Knows no Celery."""
