"""How a recording that could not be counted looks. Pure."""

from dataclasses import dataclass
from typing import Any

from usage_billing.wire.kinds import Choice, Id, Identifier, Instant, Json, Text
from usage_billing.wire.noun import Field, Noun

STATUSES = ("open", "replayed", "discarded")

# Names that a recording has in the service, and that senders give them.
_SENT_AS = {
    "customer_id": "userId",
    "subscription_id": "subscriptionId",
    "usage_type": "usageType",
    "quantity": "quantity",
    "metadata": "metadata",
    "occurred_at": "timestamp",
    "key": "idempotencyKey",
    "source": "source",
}
# The quantity of a recording whose sender left it to the usage type to make one.
_LEFT_OUT = "-1"


@dataclass(frozen=True, eq=False)
class AsSent(Json):
    """A recording in the words of ``POST /api/usage/record``, which takes it; None where it could not be read."""

    def show(self, value: dict[str, Any], currency: str) -> dict[str, Any] | None:  # noqa: ARG002
        """What its sender said: times, keys and sources that the service added are left out."""
        import json  # the help of a command does not need it

        if not _SENT_AS.keys() <= value.keys() or value.get("beside", {}).get("unread"):
            return None
        said = {sent: value[name] for name, sent in _SENT_AS.items() if value[name] != ""}
        if not value.get("timed"):
            del said["timestamp"]
        if said["quantity"] == _LEFT_OUT:
            del said["quantity"]
        try:
            return said | {"metadata": json.loads(value["metadata"])}
        except ValueError:
            return None


QUARANTINED = Noun(
    "Quarantined",
    "An accepted recording that could not be counted: why, and all that it said.",
    (
        Field("id", Id(), "The id that was answered when it was accepted."),
        Field("reason", Text(), "A code for why."),
        Field("detail", Text(), "Why, in words."),
        Field("payload", Json(), "All that is kept of it, by the service's own names."),
        Field(
            "recording",
            AsSent(),
            "What was sent, in the words of `POST /api/usage/record`; null where it cannot be read.",
            nullable=True,
            attribute="payload",
        ),
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
