"""Events: their numbers are without a gap, and each endpoint has a delivery of each event that it wants.

The rule of who is told is written here a second time. What an endpoint wants is known since it was chosen last; events
that were relayed around that moment are left out, as are those whose deliveries may be forgotten by now.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.reports.verify.difference import Difference

_POSITIONS = text("""
    SELECT before + 1 AS first, position - 1 AS last
    FROM (
        SELECT position, lag(position, 1, 0::bigint) OVER (ORDER BY position) AS before
        FROM outbox_messages
        WHERE position IS NOT NULL
    ) AS numbered
    WHERE position <> before + 1
    ORDER BY position
""")
_SEQUENCES = text("""
    SELECT customer_id, before + 1 AS first, sequence - 1 AS last
    FROM (
        SELECT customer_id, sequence,
            lag(sequence, 1, 0::bigint) OVER (PARTITION BY customer_id ORDER BY sequence) AS before
        FROM outbox_messages
        WHERE customer_id IS NOT NULL AND sequence IS NOT NULL
    ) AS numbered
    WHERE sequence <> before + 1
    ORDER BY customer_id, sequence
""")
_UNNUMBERED = text("""
    SELECT public_id, position
    FROM outbox_messages
    WHERE position IS NOT NULL AND (customer_id IS NULL) <> (sequence IS NULL)
    ORDER BY position
""")
_UNTOLD = text("""
    WITH wanted AS (
        SELECT e.id, e.kind, e.types, e.customer_id, e.recipients,
            greatest(e.chosen_at + interval '2 minutes', now() - interval '89 days') AS since
        FROM webhook_endpoints AS e
    )
    SELECT w.id, count(*) AS events, min(o.position) AS position
    FROM wanted AS w
    JOIN outbox_messages AS o ON o.position IS NOT NULL AND o.relayed_at >= w.since
    WHERE o.topic <> 'endpoint.test'
        AND NOT (o.topic = 'endpoint.disabled' AND o.payload ->> 'endpointId' = w.id)
        AND o.topic = ANY (coalesce(w.types, ARRAY[o.topic]))
        AND coalesce(w.customer_id, o.customer_id, '') = coalesce(o.customer_id, '')
        AND (o.customer_id IS NOT NULL OR w.kind <> 'email' OR w.recipients IS NOT NULL)
        AND cardinality(coalesce(w.recipients, CAST(ARRAY[''] AS varchar[]))) > (
            SELECT count(*)
            FROM webhook_deliveries AS d
            WHERE d.event_id = o.id AND d.endpoint_id = w.id
                AND d.recipient = ANY (coalesce(w.recipients, CAST(ARRAY[''] AS varchar[])))
        )
    GROUP BY w.id
    ORDER BY w.id
""")
_OF_OTHERS = text("""
    SELECT d.id, e.id AS endpoint, e.customer_id AS wanted, o.customer_id AS told
    FROM webhook_deliveries AS d
    JOIN webhook_endpoints AS e ON e.id = d.endpoint_id
    JOIN outbox_messages AS o ON o.id = d.event_id
    WHERE d.customer_id IS DISTINCT FROM o.customer_id
        OR (e.customer_id <> coalesce(o.customer_id, '') AND o.topic <> 'endpoint.test' AND d.created_at >= e.chosen_at)
    ORDER BY d.id
""")


def event_differences(session: Session) -> Iterator[Difference]:
    """What is wrong with the numbers of events and with whom they are told."""
    for row in session.execute(_POSITIONS):
        yield Difference("event_gap", f"event:{row.first}", f"no event has the position {_span(row)}")
    for row in session.execute(_SEQUENCES):
        message = f"no event of {row.customer_id} has the sequence {_span(row)}"
        yield Difference("event_sequence", f"customer:{row.customer_id}", message)
    for row in session.execute(_UNNUMBERED):
        message = "it has a customer and no sequence, or a sequence and no customer"
        yield Difference("event_sequence", f"event:{row.position}", message)
    for row in session.execute(_UNTOLD):
        message = f"{row.events} events that it wants have no delivery to it, the first at the position {row.position}"
        yield Difference("event_untold", f"endpoint:{row.id}", message)
    for row in session.execute(_OF_OTHERS):
        message = (
            f"an event of {row.told or 'no customer'} is told to {row.endpoint}, which is for {row.wanted or 'all'}"
        )
        yield Difference("event_of_another", f"delivery:{row.id}", message)


def _span(row: Any) -> str:
    return f"{row.first}" if row.first == row.last else f"{row.first} to {row.last}"
