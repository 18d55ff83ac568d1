"""What is wrong with an expression, and where."""


class ExpressionError(ValueError):
    """The text is no expression that we take. ``position`` is the character at which that shows, from 1."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(f"{message}, at character {position}")
        self.position = position
