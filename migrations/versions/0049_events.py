"""Facts become events: with an id for others, a customer, and numbers that the relay gives.

A key may be for them alone. Facts of before have no numbers unless they still wait. The indexes are made by the next migration, beside the service.
"""

import sqlalchemy as sa
from alembic import op

revision = "0049"
down_revision = "0048"

_BEFORE = "'usage:write', 'usage:read', 'billing:run', 'admin', 'portal:open', 'wallets:write'"


def _scopes(words: str) -> None:
    # Keys are few, and the check is over before a request notices.
    op.execute("-- squawk-ignore ban-drop-constraint\nALTER TABLE api_keys DROP CONSTRAINT ck_api_keys_scopes")
    op.execute(
        "-- squawk-ignore constraint-missing-not-valid\n"
        f"ALTER TABLE api_keys ADD CONSTRAINT ck_api_keys_scopes CHECK (scopes <@ ARRAY[{words}]::varchar[])"
    )


def upgrade() -> None:
    _scopes(f"{_BEFORE}, 'webhooks:manage'")
    op.add_column("outbox_messages", sa.Column("public_id", sa.Uuid(), nullable=True))
    # Set apart from the column, so that no row is written anew.
    op.execute("ALTER TABLE outbox_messages ALTER COLUMN public_id SET DEFAULT gen_random_uuid()")
    op.add_column("outbox_messages", sa.Column("customer_id", sa.String(128, collation="C"), nullable=True))
    op.add_column("outbox_messages", sa.Column("position", sa.BigInteger(), nullable=True))
    op.add_column("outbox_messages", sa.Column("sequence", sa.BigInteger(), nullable=True))
    op.create_table(
        "event_bodies",
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.String(16), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["outbox_messages.id"], name=op.f("fk_event_bodies_event_id")),
        sa.PrimaryKeyConstraint("event_id", "version", name=op.f("pk_event_bodies")),
    )
    op.execute(
        """
        CREATE FUNCTION refuse_change_of_event() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'what an event says, and its numbers, never change' USING ERRCODE = 'restrict_violation';
        END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER outbox_messages_are_told_once BEFORE UPDATE ON outbox_messages FOR EACH ROW
        WHEN (OLD.position IS NOT NULL) EXECUTE FUNCTION refuse_change_of_event()
        """
    )
    op.execute(
        """
        CREATE TRIGGER event_bodies_are_made_once BEFORE UPDATE ON event_bodies FOR EACH ROW
        EXECUTE FUNCTION refuse_change_of_event()
        """
    )


def downgrade() -> None:
    # A build before this one does not know the scope: keys that have it alone end, and the others lose it.
    op.execute("DELETE FROM api_keys WHERE scopes = ARRAY['webhooks:manage']::varchar[]")
    op.execute("UPDATE api_keys SET scopes = array_remove(scopes, 'webhooks:manage') WHERE 'webhooks:manage' = ANY (scopes)")
    _scopes(_BEFORE)
    op.execute("DROP TRIGGER outbox_messages_are_told_once ON outbox_messages")
    op.drop_table("event_bodies")
    op.execute("DROP FUNCTION refuse_change_of_event()")
    for name in ("sequence", "position", "customer_id", "public_id"):
        op.drop_column("outbox_messages", name)
