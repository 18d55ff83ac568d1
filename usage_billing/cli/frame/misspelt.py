"""Finds settings whose names are misspelt: the process would go on without them."""

from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches

from usage_billing.settings import PREFIX, Settings


def misspelt(environment: Mapping[str, str]) -> dict[str, str | None]:
    """The set variables that begin like a setting of ours and are none, each with the setting it resembles, if any."""
    known = {str(item.metadata["env"]) for item in fields(Settings)}
    ends = [name.removeprefix(PREFIX) for name in known if name.startswith(PREFIX)]
    found: dict[str, str | None] = {}
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in known:
            like = get_close_matches(name.removeprefix(PREFIX), ends, n=1)
            found[name] = PREFIX + like[0] if like else None
    return found
