"""How the health of a process looks. Pure."""

from usage_billing.wire.kinds import Choice, Json
from usage_billing.wire.noun import Field, Noun

HEALTH = Noun(
    "Health",
    "Whether a process can do its work.",
    (
        Field("status", Choice("ok", "unavailable"), "Whether it can."),
        Field(
            "parts",
            Json({"type": "object", "additionalProperties": {"type": "string"}}),
            "Of each part that it needs `ok`, or a code for what is wrong with it.",
            optional=True,
        ),
    ),
)
