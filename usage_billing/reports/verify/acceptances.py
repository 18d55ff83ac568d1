"""Every acceptance has one fate: accepted = recorded + duplicate + quarantined."""

from collections.abc import Iterator, Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.reports.verify.difference import Difference

# A recording's whole key in eight bytes: what has none of its own is not a key twice, and nothing else is compared.
_KEY = "hashtextextended(u.idempotency_key, hashtextextended(u.source, hashtextextended(u.subscription_id, 0)))"
_ASKED = """
    (CAST(:only AS text) IS NULL OR u.subscription_id = :only)
    AND (CAST(:changed AS bigint[]) IS NULL OR u.summary_id = ANY(CAST(:changed AS bigint[])))
"""
# To count how many keys differ costs half of telling which do not.
_SAME = text(f"SELECT count(*) > count(DISTINCT {_KEY}) FROM usage AS u WHERE {_ASKED}")  # noqa: S608
# Kind of difference, message, and the query for the ids; :only narrows it to one subscription.
_CHECKS = (
    (
        "fate_recorded_and_duplicate",
        "it is recorded, and a duplicate as well",
        """
        SELECT u.id FROM usage AS u JOIN usage_duplicates AS d ON d.id = u.id
        WHERE CAST(:only AS text) IS NULL OR u.subscription_id = :only
        """,
    ),
    (
        "fate_recorded_and_quarantined",
        "it is recorded, and quarantined as well",
        """
        SELECT u.id FROM usage AS u JOIN quarantined_usage AS q ON q.id = u.id
        WHERE q.status <> 'replayed' AND (CAST(:only AS text) IS NULL OR u.subscription_id = :only)
        """,
    ),
    (
        "fate_duplicate_and_quarantined",
        "it is a duplicate, and quarantined as well",
        """
        SELECT d.id FROM usage_duplicates AS d JOIN quarantined_usage AS q ON q.id = d.id
        WHERE q.status <> 'replayed' AND (CAST(:only AS text) IS NULL OR q.subscription_id = :only)
        """,
    ),
    (
        "fate_lost",
        "it was replayed from the quarantine, but is neither recorded nor a duplicate",
        """
        SELECT q.id FROM quarantined_usage AS q LEFT JOIN usage AS u ON u.id = q.id
        LEFT JOIN usage_duplicates AS d ON d.id = q.id
        WHERE q.status = 'replayed' AND u.id IS NULL AND d.id IS NULL
            AND (CAST(:only AS text) IS NULL OR q.subscription_id = :only)
        """,
    ),
    (
        "duplicate_of_nothing",
        "it is a duplicate of a recording that is not there",
        """
        SELECT d.id FROM usage_duplicates AS d LEFT JOIN usage AS u ON u.id = d.usage_id
        WHERE u.id IS NULL AND CAST(:only AS text) IS NULL
        """,
    ),
    (
        "key_double",
        "its key is recorded more than once",
        f"""
        SELECT min(u.id::text)
        FROM usage AS u
        WHERE {_KEY} IN (SELECT {_KEY} FROM usage AS u WHERE {_ASKED} GROUP BY 1 HAVING count(*) > 1)
        GROUP BY u.subscription_id, u.source, u.idempotency_key HAVING count(*) > 1
        """,  # noqa: S608
    ),
)


def acceptance_differences(
    session: Session, only: str | None, changed: Sequence[int] | None = None
) -> Iterator[Difference]:
    """Acceptances that became two things, or none. With ``only`` those of one subscription.

    Keys are looked at in the summaries ``changed``, unless it is None: those have all of a subscription, or none of it.
    """
    asked = {"only": only, "changed": None if changed is None else list(changed)}
    are_doubled = session.scalar(_SAME, asked)
    for kind, message, statement in _CHECKS:
        if kind == "key_double" and not are_doubled:
            continue
        for id in session.scalars(text(statement), asked if ":changed" in statement else {"only": only}):
            yield Difference(kind, f"record:{id}", message)
