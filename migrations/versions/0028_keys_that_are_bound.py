"""Keys that may be bound to a source, usage types and customers; and which key recorded what.

A key gets a small number, which stands in the books for it: four bytes a recording, where its id would take sixteen. What
was recorded before has none, and neither has what came in by the command line or a task.
"""

from alembic import op

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    op.execute("ALTER TABLE usage ADD COLUMN recorded_by integer")
    # Keys are few: numbering them, and checking them, is over before a reader notices.
    op.execute(
        "-- squawk-ignore adding-not-nullable-field, adding-field-with-default\n"
        "ALTER TABLE api_keys ADD COLUMN number integer GENERATED ALWAYS AS IDENTITY"
    )
    op.execute('ALTER TABLE api_keys ADD COLUMN source varchar(128) COLLATE "C"')
    op.execute('ALTER TABLE api_keys ADD COLUMN usage_types varchar(128)[] COLLATE "C"')
    op.execute('ALTER TABLE api_keys ADD COLUMN user_ids varchar(128)[] COLLATE "C"')
    op.execute(
        "-- squawk-ignore disallowed-unique-constraint, constraint-missing-not-valid\n"
        "ALTER TABLE api_keys ADD CONSTRAINT uq_api_keys_number UNIQUE (number)"
    )
    for name, rule in (
        ("bound", "num_nonnulls(source, usage_types, user_ids) = 0 OR scopes = ARRAY['usage:write']::varchar[]"),
        ("bound_to_some", "cardinality(usage_types) > 0 AND cardinality(user_ids) > 0"),
    ):
        op.execute(
            "-- squawk-ignore constraint-missing-not-valid\n"
            f"ALTER TABLE api_keys ADD CONSTRAINT ck_api_keys_{name} CHECK ({rule})"
        )
    # Of a key that was rotated the successor has the source.
    op.execute(
        "-- squawk-ignore require-concurrent-index-creation\n"
        "CREATE UNIQUE INDEX uq_api_keys_source ON api_keys (source) WHERE revoked_at IS NULL AND replaced_by IS NULL"
    )


def downgrade() -> None:
    op.execute("DROP INDEX uq_api_keys_source")
    for name in ("ck_api_keys_bound_to_some", "ck_api_keys_bound", "uq_api_keys_number"):
        op.execute(f"ALTER TABLE api_keys DROP CONSTRAINT {name}")
    for name in ("user_ids", "usage_types", "source", "number"):
        op.execute(f"ALTER TABLE api_keys DROP COLUMN {name}")
    op.execute("ALTER TABLE usage DROP COLUMN recorded_by")
