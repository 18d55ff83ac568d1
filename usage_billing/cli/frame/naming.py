"""What a wrong field is called at the terminal: the option or the argument that it was given by."""

import re
from collections.abc import Iterator, Sequence

import click

# Fields whose option has a name of its own.
_OTHERWISE = {
    "userId": ("customer", "user"),
    "monthlyLimit": ("limit",),
    "expectedDigest": ("expect-digest",),
    "id": ("subscription", "invoice"),
}
_ENDINGS = ("-id", "-at", "-from", "s")


def called(pointer: str, command: click.Command | None) -> str:
    """The option or argument of ``command`` that gave the field ``pointer``; else the field itself.

    ``/planId`` is ``--plan``, and ``/price/unitPrice`` is ``--price unitPrice`` where there is no ``--unit-price``.
    """
    names = _names_of(command) if command is not None else {}
    steps = pointer.strip("/").split("/")
    for taken in range(len(steps), 0, -1):
        for candidate in _candidates(steps[:taken]):
            if candidate in names:
                return " ".join([names[candidate], *steps[taken:]])
    return pointer.strip("/")


def _names_of(command: click.Command) -> dict[str, str]:
    """Words with hyphens, and the option ``--words-with-hyphens`` or the argument ``WORDS`` that they stand for."""
    found: dict[str, str] = {}
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            found |= {name[2:]: name for name in parameter.opts if name.startswith("--")}
        else:
            shown = parameter.human_readable_name
            found[shown.lower().replace("_", "-")] = shown
    return found


def _candidates(steps: Sequence[str]) -> Iterator[str]:
    words = "-".join(re.sub("(?<!^)(?=[A-Z])", "-", step).lower() for step in steps)
    yield words
    for ending in _ENDINGS:
        if words.endswith(ending):
            yield words.removesuffix(ending)
    yield from _OTHERWISE.get(steps[-1], ())
