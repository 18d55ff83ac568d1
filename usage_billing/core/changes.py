"""Values that say what is to change of a thing: a field that a caller did not give stays as it is. Pure."""

from dataclasses import fields
from enum import Enum
from typing import Any, Final


class Unchanged(Enum):
    """The value of a field that stays as it is; None is a value that a field may be given."""

    UNCHANGED = "unchanged"


UNCHANGED: Final = Unchanged.UNCHANGED


def given(changes: Any) -> dict[str, Any]:
    """The fields of ``changes``, a dataclass, that a caller gave, by name."""
    found = {field.name: getattr(changes, field.name) for field in fields(changes)}
    return {name: value for name, value in found.items() if value is not UNCHANGED}
