"""Gives a recording the quantity that its usage type makes from its metadata."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from msgspec.structs import replace

from usage_billing.catalog.quantities import NoQuantity, QuantityVersion, expression_at, quantity_of
from usage_billing.core.decimals import plain
from usage_billing.metering.queries import KnownRecording
from usage_billing.metering.recording import TO_BE_MADE, Recording
from usage_billing.metering.service import RefusedRecording
from usage_billing.metering.states import QuarantineReason

_ONE = Decimal(1)


def quantified(
    recording: Recording, quantities: Mapping[str, Sequence[QuantityVersion]]
) -> Recording | RefusedRecording:
    """The recording with its quantity, by the definition that holds when it occurred; or why it has none.

    A quantity that its sender gave has to be the one that is made. An event of another program's, which has none, is
    one unit where the usage type makes no quantity.
    """
    value = expression_at(quantities.get(recording.usage_type, ()), recording.occurred_at)
    is_given = recording.quantity != TO_BE_MADE
    if value is None:
        if is_given:
            return recording
        if recording.beside.whose:
            return _one_unit(recording)
        detail = f"it has no quantity, and {recording.usage_type} made none when it occurred"
        return RefusedRecording(recording, QuarantineReason.NO_VALUE, detail)
    try:
        made = quantity_of(value, recording.metadata)
    except NoQuantity as error:
        reason = QuarantineReason.NEGATIVE_QUANTITY if error.negative else QuarantineReason.NO_VALUE
        return RefusedRecording(recording, reason, str(error))
    if is_given and recording.quantity != made:
        detail = f"its quantity is {plain(recording.quantity)}, and quantityFrom makes {plain(made)}"
        return RefusedRecording(recording, QuarantineReason.QUANTITY_DIFFERS, detail)
    return replace(recording, quantity=made, beside=replace(recording.beside, made=True))


def _one_unit(event: Recording) -> Recording:
    return replace(event, quantity=_ONE, beside=replace(event.beside, made=False))


def repeats(sent: Recording, made: Recording | RefusedRecording, earlier: KnownRecording | Recording) -> bool:
    """Whether ``sent`` is what is recorded under its key, whatever its usage type made of it then and makes of it now.

    ``made`` is ``sent`` as ``quantified`` gives it by the definition of now. What was recorded without a quantity of
    its sender's is known by its metadata: a quantity that is given now has to be the one recorded.
    """
    metadata_alone = replace(sent, beside=replace(sent.beside, made=True))
    if earlier.fingerprint() == metadata_alone.fingerprint():
        return sent.quantity in {TO_BE_MADE, earlier.quantity}
    if sent.beside.whose and sent.quantity == TO_BE_MADE:
        return earlier.fingerprint() == _one_unit(sent).fingerprint()
    whole = sent if isinstance(made, RefusedRecording) else made
    return earlier.fingerprint() == replace(whole, beside=replace(whole.beside, made=False)).fingerprint()


def has_content_of(
    sent: Recording, earlier: KnownRecording | Recording, quantities: Mapping[str, Sequence[QuantityVersion]]
) -> bool:
    """Whether ``sent`` repeats what is recorded under its key; otherwise it conflicts with it."""
    made = quantified(sent, quantities) if quantities or sent.beside.made else sent
    if repeats(sent, made, earlier):
        return True
    return isinstance(made, Recording) and made.fingerprint() == earlier.fingerprint()
