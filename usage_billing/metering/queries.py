"""Reading usage, for those who record it."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

RecordingKey = tuple[str, str, str]
"""(subscription id, source, idempotency key)."""

_KNOWN_IDS = text(
    "WITH asked AS MATERIALIZED (SELECT CAST(string_to_array(:ids, ',') AS uuid[]) AS ids)"
    " SELECT id FROM usage WHERE id = ANY(ARRAY(SELECT unnest(ids) FROM asked))"
    " UNION ALL SELECT id FROM usage_duplicates WHERE id = ANY(ARRAY(SELECT unnest(ids) FROM asked))"
    " UNION ALL SELECT id FROM quarantined_usage WHERE id = ANY(ARRAY(SELECT unnest(ids) FROM asked))"
)
# One text is sent in a tenth of the time of three arrays; neither separator is in the alphabet of identifiers.
_RECORDED_KEYS = text(
    "SELECT u.subscription_id, u.source, u.idempotency_key, u.id, u.fingerprint FROM ("
    " SELECT split_part(name, '/', 1) AS subscription_id, split_part(name, '/', 2) AS source,"
    " split_part(name, '/', 3) AS idempotency_key FROM unnest(string_to_array(:names, ',')) AS name"
    ") AS k JOIN usage AS u USING (subscription_id, source, idempotency_key)"
)


def known_ids(session: Session, ids: Iterable[UUID]) -> set[UUID]:
    """Which of these acceptances are in the books already, as usage, duplicate or quarantined."""
    return set(session.scalars(_KNOWN_IDS, {"ids": ",".join([id.hex for id in ids])}))


def recorded_keys(session: Session, keys: Sequence[RecordingKey]) -> dict[RecordingKey, tuple[UUID, bytes]]:
    """The id and fingerprint of what is recorded under each of these keys."""
    if not keys:
        return {}
    rows = session.execute(_RECORDED_KEYS, {"names": ",".join(["/".join(key) for key in keys])})
    return {(row[0], row[1], row[2]): (row[3], bytes(row[4])) for row in rows}
