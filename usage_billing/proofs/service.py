"""Keeping what was proven. The caller has found that nothing differs, at the moment that the session sees."""

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.proofs.queries import Changed
from usage_billing.proofs.sums import SEAL, SEALED, SUMS

_FORGET = text("DELETE FROM proven_summaries")
_KEEP_ALL = text(f"INSERT INTO proven_summaries (summary_id, hashes) SELECT id, hashes FROM ({SUMS}) AS now")  # noqa: S608
_KEEP = text("""
    INSERT INTO proven_summaries AS kept (summary_id, hashes)
    SELECT summary_id, hashes
    FROM unnest(CAST(:ids AS bigint[]), CAST(:hashes AS numeric[])) AS now (summary_id, hashes)
    ON CONFLICT (summary_id) DO UPDATE SET hashes = excluded.hashes WHERE kept.hashes <> excluded.hashes
""")
_SEAL = text(f"""
    INSERT INTO proven_summaries (summary_id, hashes)
    SELECT {SEAL}, ({SEALED})
    ON CONFLICT (summary_id) DO UPDATE SET hashes = excluded.hashes
""")


def keep_all(session: Session, key: int) -> None:
    """Keep the sums of all summaries, as the session sees them."""
    session.execute(_FORGET)
    session.execute(_KEEP_ALL, {"key": key})
    session.execute(_SEAL, {"key": key})


def keep_changed(session: Session, changed: Changed, key: int) -> None:
    """Keep the sums of those that were proven again."""
    session.execute(_KEEP, {"ids": changed.ids, "hashes": changed.hashes})
    session.execute(_SEAL, {"key": key})
