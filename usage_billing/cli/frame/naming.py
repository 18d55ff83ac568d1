"""What a wrong field is called at the terminal: the option or the argument that it was given by."""

import re
from collections.abc import Iterator, Mapping, Sequence

import click

# Fields whose option has a name of its own.
_OTHERWISE = {
    "userId": ("customer", "user"),
    "monthlyLimit": ("limit",),
    "expectedDigest": ("expect-digest",),
    "id": ("subscription", "invoice"),
    "count": ("at-most",),
}
# Members of these are options by themselves.
_GROUPS = {"unit", "atMost", "scope"}
# Words that stand for fields within a sentence: those that only the API spells so, and plain ones at its end.
_FIELD = re.compile(r"\b(?:[a-z]+(?:[A-Z][a-z]*)+|thresholds|(?:every|all)$)")
_ENDINGS = ("-id", "-at", "-from", "s")


def called(pointer: str, command: click.Command | None) -> str:
    """The option or argument of ``command`` that gave the field ``pointer``; else the field itself.

    ``/planId`` is ``--plan``, and ``/price/unitPrice`` is ``--price unitPrice`` where there is no ``--unit-price``.
    """
    return _found(pointer, _names_of(command)) if command is not None else pointer.strip("/")


def in_words_of(command: click.Command | None, message: str) -> str:
    """``message`` with the fields that it names called as ``command`` does."""
    if command is None:
        return message
    names = _names_of(command)
    return _FIELD.sub(lambda field: _found(field[0], names), message)


def _found(pointer: str, names: Mapping[str, str]) -> str:
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
            long = [name for name in parameter.opts if name.startswith("--")]
            found |= {name[2:]: name for name in long}
            if long:
                found.setdefault((parameter.name or "").replace("_", "-"), long[0])
        else:
            shown = parameter.human_readable_name
            found[shown.lower().replace("_", "-")] = shown
    return found


def _candidates(steps: Sequence[str]) -> Iterator[str]:
    words = "-".join(re.sub("(?<!^)(?=[A-Z])", "-", step).lower() for step in steps)
    yield words
    if len(steps) > 1 and steps[0] in _GROUPS:
        yield from _candidates(steps[1:])
    for ending in _ENDINGS:
        if words.endswith(ending):
            yield words.removesuffix(ending)
    yield from _OTHERWISE.get(steps[-1], ())
