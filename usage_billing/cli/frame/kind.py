"""What every type of argument is."""

from typing import Any

import click


class Kind(click.ParamType[Any]):
    """A type of argument whose ``read`` raises ValueError with the reason."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The value that the command receives; a default that is converted already stays as it is."""
        if not isinstance(value, str):
            return value
        try:
            return self.read(value)
        except ValueError as error:
            self.fail(f"{value!r} {error}.", param, ctx)

    def read(self, text: str) -> object:
        """Convert ``text``."""
        raise NotImplementedError
