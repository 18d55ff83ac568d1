"""How recordings look: accepted, recorded, and what became of one. Pure."""

from usage_billing.wire.kinds import PLAIN, Choice, Id, Identifier, Ids, Instant, Json, Quantity, Text, Whole
from usage_billing.wire.noun import Field, Noun

ACCEPTED = Noun(
    "Accepted",
    "An accepted recording: it will be counted, or it will be in quarantine.",
    (
        Field("id", Id(), "Its id, from now on."),
        Field("status", Choice("accepted"), "That it is accepted."),
    ),
)

ACCEPTED_BATCH = Noun(
    "AcceptedBatch",
    "Accepted recordings.",
    (
        Field("accepted", Whole(), "How many."),
        Field("ids", Ids(), "Their ids, in the order of the events."),
    ),
)

RECORD_STATUS = Noun(
    "RecordStatus",
    "What became of an accepted recording; what does not apply is left out.",
    (
        Field("id", Id(), "The id that was answered when it was accepted."),
        Field(
            "status",
            Choice("accepted", "recorded", "duplicate", "quarantined", "voided"),
            "What became of it; `accepted` waits for a worker.",
        ),
        Field("userId", Identifier(), "The customer.", nullable=True, optional=True, attribute="customer_id"),
        Field("subscriptionId", Identifier(), "The subscription.", nullable=True, optional=True),
        Field("usageType", Identifier(), "What was used.", nullable=True, optional=True),
        Field("quantity", Quantity(), "How many units.", nullable=True, optional=True),
        Field("withinLimit", Quantity(), "The units that the allowance covers.", nullable=True, optional=True),
        Field("beyondLimit", Quantity(), "The units beyond the allowance.", nullable=True, optional=True),
        Field("timestamp", Instant(), "When it was used.", nullable=True, optional=True, attribute="occurred_at"),
        Field("receivedAt", Instant(), "When it was accepted.", optional=True),
        Field("recordedAt", Instant(), "When it was counted.", nullable=True, optional=True),
        Field("recordedBy", Id(), "The API key that it came with, if one did.", nullable=True, optional=True),
        Field("duplicateOf", Id(), "The recording that it repeats.", nullable=True, optional=True),
        Field("reason", Text(), "Why it is in quarantine, or was taken back.", nullable=True, optional=True),
        Field("detail", Text(), "Why it is in quarantine, in words.", nullable=True, optional=True),
        Field(
            "resolution",
            Choice("open", "discarded", "replayed"),
            "What was decided about it in quarantine.",
            nullable=True,
            optional=True,
        ),
        Field("voidedAt", Instant(), "When it was taken back.", nullable=True, optional=True),
    ),
)

RECORD = Noun(
    "Record",
    "One recorded use.",
    (
        Field("id", Id(), "The id that was answered when it was accepted."),
        Field("status", Choice("recorded", "voided"), "Whether it counts, or was taken back."),
        Field("usageType", Identifier(), "What was used."),
        Field("quantity", Quantity(), "How many units."),
        Field("withinLimit", Quantity(), "The units that the allowance covers; 0 of what was taken back."),
        Field("beyondLimit", Quantity(), "The units beyond the allowance; 0 of what was taken back."),
        Field("timestamp", Instant(), "When it was used.", attribute="occurred_at"),
        Field("receivedAt", Instant(), "When it was accepted."),
        Field("recordedAt", Instant(), "When it was counted."),
        Field("recordedBy", Id(), "The API key that it came with; null if none did.", nullable=True),
        Field("voidedAt", Instant(), "When it was taken back; null while it counts.", nullable=True),
        Field("idempotencyKey", Identifier(), "The sender's key, or else its id."),
        Field("source", PLAIN, "The source that the sender named; else empty."),
        Field("metadata", Json(), "What the sender added."),
    ),
)
