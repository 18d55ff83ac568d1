"""Usage types that make the quantity of a recording from its metadata.

A quantity that was made may be 0: that is a report, too. One that its sender gave stays above 0.
"""

from alembic import op

revision = "0044"
down_revision = "0043"

_RULE = "quantity > 0 AND quantity <= 1e15"


def upgrade() -> None:
    op.execute(
        "CREATE TABLE quantity_definitions ("
        ' usage_type_id varchar(128) COLLATE "C" NOT NULL,'
        " version integer NOT NULL,"
        " value text,"
        " effective_from timestamptz NOT NULL,"
        " made_at timestamptz NOT NULL,"
        " CONSTRAINT pk_quantity_definitions PRIMARY KEY (usage_type_id, version),"
        " CONSTRAINT fk_quantity_definitions_usage_type_id"
        "  FOREIGN KEY (usage_type_id) REFERENCES usage_types (id)"
        ")"
    )
    op.execute("ALTER TABLE usage ADD COLUMN made boolean")
    op.execute("-- squawk-ignore ban-drop-constraint\nALTER TABLE usage DROP CONSTRAINT ck_usage_quantity")
    op.execute(
        "ALTER TABLE usage ADD CONSTRAINT ck_usage_quantity"
        f" CHECK ({_RULE} OR (quantity = 0 AND made IS TRUE)) NOT VALID"
    )


def downgrade() -> None:
    # Where a quantity of 0 was made, a build before this one has no way to keep it: then there is no way back.
    op.execute("-- squawk-ignore ban-drop-constraint\nALTER TABLE usage DROP CONSTRAINT ck_usage_quantity")
    op.execute("ALTER TABLE usage DROP COLUMN made")
    op.execute(
        "-- squawk-ignore constraint-missing-not-valid\n"
        f"ALTER TABLE usage ADD CONSTRAINT ck_usage_quantity CHECK ({_RULE})"
    )
    op.execute("DROP TABLE quantity_definitions")
