"""What recordings come to, added up by the database: no recording leaves it, and none is sorted.

A recording's place among the others is proven without an order. The ordinals of a summary are 1 to n when as many
recordings have them, none is below 1 or above n, and the sum of their hashes is that of 1 to n. Its marks are those of
its allowance when they add up to what lies beyond, and no recording that is not wholly beyond follows one of which a
part is.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

# A digest is added up in words that a bigint holds, as its first bit is the sign.
_WORDS = ((1, 52), (53, 51), (104, 51), (155, 51), (206, 51))
_DIGEST = "('x' || encode(sha256(uuid_send(u.id) || convert_to(CAST(trim_scale(u.quantity) AS text), 'UTF8')), 'hex'))"
_OWNER = "hashtextextended({0}.usage_type_id, hashtextextended({0}.subscription_id, :seed))"
OWNER = _OWNER.format("s")
"""The hash of a summary's subscription and usage type, which its recordings share."""


def _words(counts: str) -> str:
    return ", ".join(
        f"sum(CAST(substring(digest FROM {first} FOR {bits}) AS bigint)) FILTER (WHERE {counts}) AS word{at}"
        for at, (first, bits) in enumerate(_WORDS)
    )


_FACTS = f"""
    SELECT summary_id, count(*) AS recorded, count(void) AS taken_back,
        coalesce(sum(quantity) FILTER (WHERE void IS NULL), 0) AS total,
        coalesce(sum(beyond_limit), 0) AS beyond, count(*) FILTER (WHERE beyond_limit > 0) AS beyond_events,
        min(ordinal) AS first, max(ordinal) AS last, sum(hashint8extended(ordinal, :seed)) AS ordinals,
        min(ordinal) FILTER (WHERE beyond_limit > 0) AS first_beyond,
        max(ordinal) FILTER (WHERE beyond_limit < quantity AND void IS NULL) AS last_not_beyond,
        count(*) FILTER (WHERE (
            beyond_limit >= 0 AND beyond_limit <= quantity AND quantity < 'Infinity'
            AND (void IS NULL OR beyond_limit = 0)
        ) IS NOT TRUE) AS wrong,
        min(occurred_at) FILTER (WHERE void IS NULL) AS since, max(occurred_at) FILTER (WHERE void IS NULL) AS until,
        count(*) FILTER (WHERE made) AS made, sum(owner) AS owners, {_words("void IS NULL")}
    FROM (
        SELECT u.summary_id, u.ordinal, u.quantity, u.beyond_limit, u.occurred_at, u.made, v.ordinal AS void,
            CAST({_DIGEST} AS bit(256)) AS digest, {_OWNER.format("u")} AS owner
        FROM usage AS u
        LEFT JOIN usage_voids AS v ON v.usage_id = u.id
        WHERE {{those}}
        OFFSET 0
    ) AS recorded
    GROUP BY summary_id
    ORDER BY summary_id
"""  # noqa: S608
ALL = text(_FACTS.format(those="u.summary_id > :above AND u.summary_id <= :upto"))
OF_ONE = text(_FACTS.format(those="u.summary_id IN (SELECT id FROM usage_summaries WHERE subscription_id = :only)"))
OF_THESE = text(_FACTS.format(those="u.summary_id = ANY(CAST(:ids AS bigint[]))"))
_THEN = text(f"""
    SELECT number, count(*) AS recorded, count(*) FILTER (WHERE void <= voids) AS taken_back,
        count(*) FILTER (WHERE void > voids) AS taken_back_since,
        coalesce(sum(quantity) FILTER (WHERE counts), 0) AS total,
        count(*) FILTER (WHERE counts AND quantity > 0) AS not_nothing,
        coalesce(sum(beyond_limit), 0) AS beyond, count(*) FILTER (WHERE beyond_limit > 0) AS beyond_events,
        {_words("counts")}
    FROM (
        SELECT c.number, c.voids, u.quantity, u.beyond_limit, v.ordinal AS void,
            v.ordinal IS NULL OR v.ordinal > c.voids AS counts, CAST({_DIGEST} AS bit(256)) AS digest
        FROM unnest(CAST(:summaries AS bigint[]), CAST(:events AS bigint[]), CAST(:voids AS bigint[]))
            WITH ORDINALITY AS c (summary_id, events, voids, number)
        JOIN usage AS u ON u.summary_id = c.summary_id AND u.ordinal <= c.events
        LEFT JOIN usage_voids AS v ON v.usage_id = u.id
        OFFSET 0
    ) AS recorded
    GROUP BY number
""")  # noqa: S608
_ORDINALS = text("""
    SELECT n, sum(hashes) OVER (ORDER BY n) AS ordinals
    FROM (
        SELECT n, lag(n, 1, CAST(0 AS bigint)) OVER (ORDER BY n) AS below
        FROM unnest(CAST(:numbers AS bigint[])) AS n
    ) AS steps
    CROSS JOIN LATERAL (
        SELECT sum(hashint8extended(k, :seed)) AS hashes FROM generate_series(below + 1, n) AS k
    ) AS added
""")


@dataclass(frozen=True, slots=True)
class Then:
    """What recordings came to as of when ``events`` were recorded in a summary and ``voids`` of them taken back."""

    summary: int
    events: int
    voids: int


def ordinal_sums(session: Session, numbers: Collection[int], seed: int) -> Mapping[int, int]:
    """The sum of the hashes of 1 to n, by n. It takes as long as the greatest n is great."""
    asked = {"numbers": sorted(set(numbers)), "seed": seed}
    return {row.n: int(row.ordinals) for row in session.execute(_ORDINALS, asked)}


def facts_then(session: Session, moments: Sequence[Then]) -> dict[Then, Any]:
    """What the recordings came to at each of these moments; absent where there was none."""
    asked = {
        "summaries": [one.summary for one in moments],
        "events": [one.events for one in moments],
        "voids": [one.voids for one in moments],
    }
    return {moments[row.number - 1]: row for row in session.execute(_THEN, asked)} if moments else {}


def digest_of(facts: Any) -> int:
    """The sum of the digests of the recordings that count."""
    total = 0
    for (_, bits), word in zip(_WORDS, (facts.word0, facts.word1, facts.word2, facts.word3, facts.word4), strict=True):
        total = (total << bits) + int(word or 0)
    return total
