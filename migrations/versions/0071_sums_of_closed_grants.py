"""What closed and void grants come to is kept by wallet, so that a balance need not read them.

A trigger keeps the sums, whatever changes a grant. The indexes are made beside the service.
"""

from alembic import op

revision = "0071"
down_revision = "0070"

_INDEXES = {
    "ix_wallet_grants_open": "(wallet_id) WHERE status IN ('pending', 'active')",
    "ix_wallet_grants_past": "(wallet_id, (coalesce(closes_at, 'infinity'::timestamptz)))"
    " WHERE status IN ('closed', 'void')",
    "ix_wallet_grants_wallet": "(wallet_id, id)",
}
_SUMS = ("granted", "posted", "expired", "taken_back", "refunded", "rolled_over")
_COLUMNS = ", ".join(f"{name} numeric(40, 12) NOT NULL" for name in _SUMS)
_OF_GRANT = "amount, posted, expired, taken_back, refunded, rolled_over"


def _of(row: str) -> str:
    return ", ".join(f"{row}.{name}" for name in _OF_GRANT.split(", "))


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("SET statement_timeout = 0")
        op.execute("SET lock_timeout = 0")
        for name, what in _INDEXES.items():
            # Half made by a start that was interrupted.
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON wallet_grants {what}")
        op.execute("SET statement_timeout = '10min'")
        op.execute("SET lock_timeout = '5s'")
    op.execute(
        f"""
        CREATE TABLE past_grants (
            wallet_id varchar(128) COLLATE "C" NOT NULL,
            grants bigint NOT NULL,
            {_COLUMNS},
            CONSTRAINT pk_past_grants PRIMARY KEY (wallet_id),
            CONSTRAINT fk_past_grants_wallet_id FOREIGN KEY (wallet_id) REFERENCES wallets (id)
        )
        """
    )
    op.execute(
        f"""
        CREATE FUNCTION sum_up_past_grants() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP <> 'INSERT' THEN
                IF OLD.status IN ('closed', 'void') AND OLD.activated_at IS NOT NULL THEN
                    UPDATE past_grants SET grants = grants - 1,
                        granted = granted - OLD.amount, posted = posted - OLD.posted,
                        expired = expired - OLD.expired, taken_back = taken_back - OLD.taken_back,
                        refunded = refunded - OLD.refunded, rolled_over = rolled_over - OLD.rolled_over
                    WHERE wallet_id = OLD.wallet_id;
                END IF;
            END IF;
            IF TG_OP <> 'DELETE' THEN
                IF NEW.status IN ('closed', 'void') AND NEW.activated_at IS NOT NULL THEN
                    INSERT INTO past_grants AS p (wallet_id, grants, {", ".join(_SUMS)})
                    VALUES (NEW.wallet_id, 1, {_of("NEW")})
                    ON CONFLICT (wallet_id) DO UPDATE SET grants = p.grants + 1,
                        granted = p.granted + excluded.granted, posted = p.posted + excluded.posted,
                        expired = p.expired + excluded.expired, taken_back = p.taken_back + excluded.taken_back,
                        refunded = p.refunded + excluded.refunded,
                        rolled_over = p.rolled_over + excluded.rolled_over;
                END IF;
            END IF;
            RETURN NULL;
        END
        $$
        """
    )
    op.execute(
        "CREATE TRIGGER wallet_grants_are_summed_up AFTER INSERT OR UPDATE OR DELETE ON wallet_grants"
        " FOR EACH ROW EXECUTE FUNCTION sum_up_past_grants()"
    )
    # The trigger's lock keeps grants as they are until the end of this transaction.
    op.execute(
        f"INSERT INTO past_grants (wallet_id, grants, {', '.join(_SUMS)})"
        " SELECT wallet_id, count(*), sum(amount), sum(posted), sum(expired), sum(taken_back), sum(refunded),"
        " sum(rolled_over) FROM wallet_grants WHERE status IN ('closed', 'void') AND activated_at IS NOT NULL"
        " GROUP BY wallet_id"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER wallet_grants_are_summed_up ON wallet_grants")
    op.execute("DROP FUNCTION sum_up_past_grants()")
    op.execute("-- squawk-ignore ban-drop-table\nDROP TABLE past_grants")
    for name in _INDEXES:
        op.execute(f"-- squawk-ignore require-concurrent-index-deletion\nDROP INDEX {name}")
