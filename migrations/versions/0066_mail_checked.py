"""A delivery for each recipient: the index is made, and what is there is looked at, beside the service."""

from alembic import op

revision = "0066"
down_revision = "0065"

_CHECKS = {
    "ck_webhook_endpoints_kind": "kind IN ('webhook', 'email')",
    "ck_webhook_endpoints_address": "CASE kind WHEN 'webhook' THEN url IS NOT NULL AND recipients IS NULL"
    " AND language IS NULL ELSE url IS NULL END",
    "ck_webhook_endpoints_recipients": "cardinality(recipients) > 0",
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("SET statement_timeout = 0")
        op.execute("SET lock_timeout = 0")
        # Half made by a start that was interrupted.
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS uq_webhook_deliveries_recipient")
        op.execute(
            "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS uq_webhook_deliveries_recipient"
            " ON webhook_deliveries (event_id, endpoint_id, recipient)"
        )
        op.execute("SET statement_timeout = '10min'")
        op.execute("SET lock_timeout = '5s'")
    # A webhook has one recipient, the empty one, so the new index keeps its events to one delivery each.
    op.execute(
        "-- squawk-ignore ban-drop-constraint\n"
        "ALTER TABLE webhook_deliveries DROP CONSTRAINT uq_webhook_deliveries_event"
    )
    for name in _CHECKS:
        op.execute(f"ALTER TABLE webhook_endpoints VALIDATE CONSTRAINT {name}")


def downgrade() -> None:
    op.execute("DELETE FROM webhook_endpoints WHERE kind = 'email'")
    op.execute(
        "ALTER TABLE webhook_deliveries ADD CONSTRAINT uq_webhook_deliveries_event UNIQUE (event_id, endpoint_id)"
    )
    op.drop_index("uq_webhook_deliveries_recipient", table_name="webhook_deliveries")
    for name, rule in _CHECKS.items():
        op.execute(f"ALTER TABLE webhook_endpoints DROP CONSTRAINT {name}")
        op.execute(f"ALTER TABLE webhook_endpoints ADD CONSTRAINT {name} CHECK ({rule}) NOT VALID")
