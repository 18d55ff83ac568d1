"""How a billing run looks. Pure."""

from usage_billing.core.limits import MAX_BIGINT
from usage_billing.wire.foreseen import FORESEEN_CHANGE
from usage_billing.wire.kinds import Choice, Flag, Id, Identifier, Instant, Json, Text, Whole
from usage_billing.wire.noun import Field, Noun, One

RUN = Noun(
    "BillingRun",
    "One run of the daily chain.",
    (
        Field("id", Id(), "Its id."),
        Field(
            "kind",
            Choice("billing", "rehearsal"),
            "Whether it bills, or shows what a change of a plan would charge and changes nothing.",
        ),
        Field("asOf", Instant(), "Up to when it bills what is due."),
        Field("subscriptionId", Identifier(), "The one subscription that it bills; null for all.", nullable=True),
        Field("dryRun", Flag(), "Whether what it did was undone."),
        Field("status", Choice("opened", "invoicing", "finalizing", "completed", "failed"), "How far it is."),
        Field(
            "outcome",
            Choice("clean", "warnings"),
            "Whether a completed run could bill every subscription, or has warnings; null before it is completed.",
            nullable=True,
        ),
        Field("requestedBy", Text(), "Who asked for it."),
        Field("startedAt", Instant(), "When it was opened."),
        Field("finishedAt", Instant(), "When it was completed or failed; null before.", nullable=True),
        Field(
            "subscriptions",
            Whole(maximum=MAX_BIGINT),
            "How many subscriptions it looked at; of a rehearsal those that it would alter.",
        ),
        Field("invoices", Whole(maximum=MAX_BIGINT), "How many invoices it made or changed."),
        Field("items", Whole(maximum=MAX_BIGINT), "How many items it made or changed."),
        Field("finalized", Whole(maximum=MAX_BIGINT), "How many invoices it made final."),
        Field(
            "amounts",
            Json({"type": "object", "additionalProperties": {"type": "string"}}),
            "By currency, by how much it changed what is charged.",
        ),
        Field(
            "prepaidApplied",
            Json({"type": "object", "additionalProperties": {"type": "string"}}),
            "By currency, what grants in money paid of the invoices that it made final.",
        ),
        Field("digest", Text(), "A hash over what it charged; null until it is completed.", nullable=True),
        Field("expectedDigest", Text(), "The digest that it must have; null unless one was expected.", nullable=True),
        Field(
            "foreseen",
            One(FORESEEN_CHANGE),
            "What a rehearsal found; null before it is completed, and of what bills.",
            nullable=True,
        ),
        Field("warnings", Json({"type": "array", "items": {"type": "object"}}), "What could not be billed, and why."),
        Field("error", Text(), "What it fails of; null when it does not.", nullable=True),
    ),
)

STARTED_RUN = Noun(
    "StartedRun",
    "The run that was opened.",
    (Field("runId", Id(), "The run's id.", attribute="id"),),
)
