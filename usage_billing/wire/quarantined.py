"""How a recording that could not be counted looks. Pure."""

from usage_billing.wire.kinds import Choice, Id, Identifier, Instant, Json, Text
from usage_billing.wire.noun import Field, Noun

STATUSES = ("open", "replayed", "discarded")

QUARANTINED = Noun(
    "Quarantined",
    "An accepted recording that could not be counted: why, and all that it said.",
    (
        Field("id", Id(), "The id that was answered when it was accepted."),
        Field("reason", Text(), "A code for why."),
        Field("detail", Text(), "Why, in words."),
        Field("payload", Json(), "All that was sent."),
        Field("userId", Identifier(), "The customer that it names, if any.", nullable=True, attribute="customer_id"),
        Field("subscriptionId", Identifier(), "The subscription that it names, if any.", nullable=True),
        Field("status", Choice(*STATUSES), "What was decided about it."),
        Field("receivedAt", Instant(), "When it was accepted."),
        Field("quarantinedAt", Instant(), "When it was put aside."),
        Field("resolvedAt", Instant(), "When it was decided about; null before.", nullable=True),
        Field("resolvedBy", Text(), "Who decided; null before.", nullable=True),
    ),
)

REPLAY = Noun(
    "Replay",
    "What became of a replayed recording.",
    (
        Field("id", Id(), "The recording's id."),
        Field("outcome", Choice("recorded", "duplicate"), "Whether it was counted, or repeats one that was."),
    ),
)
