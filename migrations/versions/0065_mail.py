"""Endpoints that are told by mail: whom and in which language; how many mails an address got; who wants none.

``chosen_at`` is since when an endpoint wants what it wants. The tables of webhooks are looked at by 0066.
"""

from alembic import op

revision = "0065"
down_revision = "0064"

_CHECKS = {
    "ck_webhook_endpoints_kind": "kind IN ('webhook', 'email')",
    "ck_webhook_endpoints_address": "CASE kind WHEN 'webhook' THEN url IS NOT NULL AND recipients IS NULL"
    " AND language IS NULL ELSE url IS NULL END",
    "ck_webhook_endpoints_recipients": "cardinality(recipients) > 0",
}
_TABLES = (
    """
    CREATE TABLE mail_hours (
        address VARCHAR(320) COLLATE "C" NOT NULL,
        began_at TIMESTAMP WITH TIME ZONE NOT NULL,
        mails INTEGER NOT NULL,
        CONSTRAINT pk_mail_hours PRIMARY KEY (address),
        CONSTRAINT ck_mail_hours_mails CHECK (mails >= 0)
    )
    """,
    """
    CREATE TABLE mail_refusals (
        customer_id VARCHAR(128) COLLATE "C" NOT NULL,
        what VARCHAR(200) NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_mail_refusals PRIMARY KEY (customer_id, what)
    )
    """,
)


def upgrade() -> None:
    for column in (
        "kind VARCHAR(16) DEFAULT 'webhook' NOT NULL",
        "recipients VARCHAR(320)[]",
        "language VARCHAR(16)",
        "chosen_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL",
    ):
        op.execute(f"ALTER TABLE webhook_endpoints ADD COLUMN {column}")
    # A webhook still has one; a new check says so.
    op.execute("-- squawk-ignore ban-drop-not-null\nALTER TABLE webhook_endpoints ALTER COLUMN url DROP NOT NULL")
    for name, rule in _CHECKS.items():
        op.execute(f"ALTER TABLE webhook_endpoints ADD CONSTRAINT {name} CHECK ({rule}) NOT VALID")
    op.execute("ALTER TABLE webhook_deliveries ADD COLUMN recipient VARCHAR(320) DEFAULT '' NOT NULL")
    op.execute("ALTER TABLE webhook_deliveries ADD COLUMN digest BOOLEAN DEFAULT 'false' NOT NULL")
    for statement in _TABLES:
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("mail_refusals")
    op.drop_table("mail_hours")
    op.execute("DELETE FROM webhook_endpoints WHERE kind = 'email'")
    op.execute("ALTER TABLE webhook_deliveries DROP COLUMN digest")
    op.execute("ALTER TABLE webhook_deliveries DROP COLUMN recipient")
    for name in _CHECKS:
        op.execute(f"ALTER TABLE webhook_endpoints DROP CONSTRAINT {name}")
    op.execute("ALTER TABLE webhook_endpoints ALTER COLUMN url SET NOT NULL")
    for column in ("chosen_at", "language", "recipients", "kind"):
        op.execute(f"ALTER TABLE webhook_endpoints DROP COLUMN {column}")
