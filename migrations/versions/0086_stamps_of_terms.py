"""Whether any terms changed can be told: a transaction that changes what they are read from writes a new stamp.

The triggers fire as the transaction commits, when it waits for no other lock any more. So transactions that write one
slot wait for each other only while one of them commits, and never in a circle.
"""

from alembic import op

revision = "0086"
down_revision = "0085"

# A transaction writes its stamp once, however many rows it changes.
_FUNCTION = """
    CREATE FUNCTION stamp_terms() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF current_setting('usage_billing.stamped', true) IS DISTINCT FROM pg_current_xact_id()::text THEN
            INSERT INTO term_stamps (slot, stamp) VALUES (pg_backend_pid() % 16, gen_random_uuid())
            ON CONFLICT (slot) DO UPDATE SET stamp = excluded.stamp;
            PERFORM set_config('usage_billing.stamped', pg_current_xact_id()::text, true);
        END IF;
        RETURN NULL;
    END
    $$
"""
_OF_SUBSCRIPTIONS = ("customer_id", "timezone", "created_at", "anchor", "anchor_day", "started_at")
_OF_PLANS = ("interval", "interval_count", "proration", "prorates_edges", "on_downgrade")


def _changed(columns: tuple[str, ...]) -> tuple[str, str]:
    old, new = (", ".join(f"{row}.{name}" for name in columns) for row in ("OLD", "NEW"))
    return f"UPDATE OF {', '.join(columns)}", f"WHEN (({old}) IS DISTINCT FROM ({new}))"


_TRIGGERS = {
    "subscription_terms": ("INSERT OR UPDATE OR DELETE", ""),
    "subscriptions": _changed(_OF_SUBSCRIPTIONS),
    "plans": _changed(_OF_PLANS),
}


def upgrade() -> None:
    op.execute(
        "CREATE TABLE term_stamps (slot integer NOT NULL, stamp uuid NOT NULL,"
        " CONSTRAINT pk_term_stamps PRIMARY KEY (slot))"
    )
    op.execute("INSERT INTO term_stamps VALUES (0, gen_random_uuid())")
    op.execute(_FUNCTION)
    for table, (event, when) in _TRIGGERS.items():
        op.execute(
            f"CREATE CONSTRAINT TRIGGER {table}_stamp_terms AFTER {event} ON {table}"
            f" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW {when} EXECUTE FUNCTION stamp_terms()"
        )


def downgrade() -> None:
    for table in _TRIGGERS:
        op.execute(f"DROP TRIGGER {table}_stamp_terms ON {table}")
    op.execute("DROP FUNCTION stamp_terms()")
    op.execute("-- squawk-ignore ban-drop-table\nDROP TABLE term_stamps")
