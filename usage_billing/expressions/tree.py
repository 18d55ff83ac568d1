"""The nodes of an expression. Each knows the character of the text, from 1, at which it stands."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it is spelled in the expression."""

    at: int
    value: Decimal


@dataclass(frozen=True, slots=True)
class Text:
    """A text in quotes."""

    at: int
    value: str


@dataclass(frozen=True, slots=True)
class Truth:
    """``true`` or ``false``."""

    at: int
    value: bool


@dataclass(frozen=True, slots=True)
class Null:
    """JSON's ``null``."""

    at: int


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the metadata, by the names that lead to it from the outside."""

    at: int
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Has:
    """Whether the metadata has a field, be it null."""

    at: int
    field: Field


@dataclass(frozen=True, slots=True)
class Sum:
    """``first``, then each of ``rest`` added (``+``) or subtracted (``-``)."""

    at: int
    first: "Node"
    rest: tuple[tuple[str, "Node"], ...]


@dataclass(frozen=True, slots=True)
class Product:
    """All of ``factors``, multiplied."""

    at: int
    factors: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Negative:
    """A number with its sign changed."""

    at: int
    inner: "Node"


@dataclass(frozen=True, slots=True)
class Not:
    """A condition turned round."""

    at: int
    inner: "Node"


@dataclass(frozen=True, slots=True)
class Logic:
    """Conditions joined by ``&&`` (all) or ``||`` (any)."""

    at: int
    operator: str
    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two values compared by ``== != < <= > >=``."""

    at: int
    operator: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Choice:
    """``condition ? yes : no``."""

    at: int
    condition: "Node"
    yes: "Node"
    no: "Node"


@dataclass(frozen=True, slots=True)
class Call:
    """``min``, ``max``, ``abs``, ``ceil`` or ``floor`` of numbers."""

    at: int
    name: str
    arguments: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Quotient:
    """``div(a, b, places)``: a divided by b, rounded half up to that many places. By zero it is no value."""

    at: int
    dividend: "Node"
    divisor: "Node"
    places: int


Node = (
    Number
    | Text
    | Truth
    | Null
    | Field
    | Has
    | Sum
    | Product
    | Negative
    | Not
    | Logic
    | Comparison
    | Choice
    | Call
    | Quotient
)
