"""What is told when an alert is reached, or is back. Pure."""

from usage_billing.wire.alert import BASES, WATCHED
from usage_billing.wire.kinds import Choice, Flag, Identifier, Instant, Json, Text
from usage_billing.wire.noun import Field
from usage_billing.wire.told import told

_LINES = Json({"type": "array", "items": {"type": "string"}})
ALERT_TOLD = told(
    "AlertTold",
    "That usage or a balance reached what an alert watches for, or came back from it.",
    Field("ruleId", Identifier(), "The alert."),
    Field(
        "userId",
        Identifier(),
        "The customer; null in a test that is about none.",
        nullable=True,
        attribute="customer_id",
    ),
    Field(
        "subscriptionId",
        Identifier(),
        "The subscription; null for a wallet of several, and in a test that is about none.",
        nullable=True,
    ),
    Field("walletId", Identifier(), "The wallet; null for usage.", nullable=True),
    Field("usageType", Identifier(), "What was used; null: all of the subscription's together.", nullable=True),
    Field("on", Choice(*WATCHED), "What is compared.", attribute="watches"),
    Field("basis", Choice(*BASES), "What 100 percent are; null where lines are none.", nullable=True),
    Field(
        "crossed",
        _LINES,
        "The thresholds, the highest first: percent, units or money. Empty where each multiple is told.",
        attribute="crossed",
    ),
    Field("from", Text(), "The first multiple; left out with thresholds.", optional=True, attribute="from_line"),
    Field("to", Text(), "The last multiple; left out with thresholds.", optional=True, attribute="to_line"),
    Field(
        "value",
        Text(),
        "What was compared with them, in units or money; null when resolved, and in a test.",
        nullable=True,
    ),
    Field("limit", Text(), "What 100 percent are, in units or money; null where lines are none.", nullable=True),
    Field("currency", Text(), "The currency of its money; null for units.", nullable=True),
    Field(
        "periodStart",
        Instant(),
        "When the billing period begins, or the wallet was made; null in a test.",
        nullable=True,
        attribute="starts",
    ),
    Field(
        "periodEnd",
        Instant(),
        "When it ends, exclusive; null for a wallet, and in a test.",
        nullable=True,
        attribute="ends",
    ),
    Field("late", Flag(), "Whether the usage came after the period was over."),
    Field(
        "endpointIds",
        _LINES,
        "The endpoints that it is told to, whatever types they want; null: those that want it.",
        nullable=True,
        attribute="endpoints",
    ),
    Field(
        "test",
        Flag(),
        "true where nothing happened, and an operator tries the alert. Left out otherwise.",
        optional=True,
    ),
)
