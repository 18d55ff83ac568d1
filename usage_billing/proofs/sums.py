"""Sums of keyed hashes over every row on which the proof of a summary rests. Pure.

``:key`` is a number of 64 bits. Without it, it is not known which changes leave a sum as it was.
"""

COMMON = 0
"""The id under which the rows stand that concern every summary."""

SEAL = -(2**63)
"""The id under which the seal of all that is kept stands."""

_COMMON = ("plans", "plan_versions", "usage_quotas", "usage_types", "quantity_definitions", "meter_definitions")


def _hash(row: str) -> str:
    """The hash of a row, of 64 bits, from all of its bytes as they are sent: that of a record leaves out the signs of
    numbers, and folds those of 64 bits, and times, to 32."""
    return f"hash_record_extended(ROW(record_send({row})), CAST(:key AS bigint))"


def _number(row: str) -> str:
    """The hash of a row, to be added to others."""
    return f"CAST({_hash(row)} AS numeric)"


def _of_common() -> str:
    return " ".join(f"UNION ALL SELECT {COMMON}, {_number('c')} FROM {table} AS c" for table in _COMMON)  # noqa: S608


SUMS = f"""
    SELECT id, sum(hashes) AS hashes
    FROM (
        SELECT u.summary_id AS id, sum({_hash("u")}) AS hashes
        FROM usage AS u
        GROUP BY u.summary_id
        UNION ALL
        SELECT v.summary_id, sum({_hash("v")}) FROM usage_voids AS v GROUP BY v.summary_id
        UNION ALL
        SELECT u.summary_id, {_number("v")}
        FROM usage_voids AS v
        JOIN usage AS u ON u.id = v.usage_id
        WHERE u.summary_id <> v.summary_id
        UNION ALL
        SELECT c.summary_id, {_number("c")} FROM covered_summaries AS c
        UNION ALL
        SELECT t.summary_id, {_number("t")} + {_number("i")}
        FROM usage_invoice_items AS t
        JOIN invoices AS i ON i.id = t.invoice_id
        WHERE t.summary_id IS NOT NULL
        UNION ALL
        SELECT s.id, {_number("s")} + {_number("a")} + terms.hashes
        FROM usage_summaries AS s
        JOIN subscriptions AS a ON a.id = s.subscription_id
        JOIN (
            SELECT subscription_id, sum({_hash("t")}) AS hashes
            FROM subscription_terms AS t
            GROUP BY subscription_id
        ) AS terms ON terms.subscription_id = a.id
        {_of_common()}
    ) AS hashed
    GROUP BY id
"""  # noqa: S608

# It is hashed once more: the difference of two sums would tell the hash of a row.
SEALED = f"""
    SELECT CAST(hashtextextended(CAST(sum({_hash("k")}) AS text), CAST(:key AS bigint)) AS numeric)
    FROM proven_summaries AS k
    WHERE k.summary_id <> {SEAL}
"""  # noqa: S608
