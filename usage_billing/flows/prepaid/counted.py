"""What wallets and packages are for: usage types that are counted in one unit."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from usage_billing.catalog.models import UsageType
from usage_billing.core.errors import InvalidInput


def check_types(session: Session, names: Sequence[str], *, unit_name: str) -> None:
    """Raises InvalidInput for a type that there is not, is named twice or is counted in another unit."""
    if not names:
        raise InvalidInput.field("/unit/usageTypes", "must name at least one usage type", code="out_of_range")
    for index, name in enumerate(names):
        pointer = f"/unit/usageTypes/{index}"
        found = session.get(UsageType, name)
        if found is None:
            raise InvalidInput.field(pointer, f"there is no usage type {name}", code="unknown_usage_type")
        if found.unit_name != unit_name:
            raise InvalidInput.field(pointer, f"is counted in {found.unit_name}", code="contradiction")
        if name in names[:index]:
            raise InvalidInput.field(pointer, "is named twice", code="repeated")
