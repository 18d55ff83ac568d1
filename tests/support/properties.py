"""How many examples a property gets, and values that several properties are about."""

from decimal import Decimal

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st


def examples(count: int) -> settings:
    """``@examples(50)``: so many, however long each takes; fixtures that empty themselves may be shared by them."""
    return settings(
        max_examples=count,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    )


def decimals(least: str, most: str, *, places: int) -> st.SearchStrategy[Decimal]:
    """Exact decimals of at most so many places; the bounds are included."""
    scale = Decimal(10) ** places
    low, high = int(Decimal(least) * scale), int(Decimal(most) * scale)
    return st.integers(low, high).map(lambda units: Decimal(units).scaleb(-places))


small_quantities = decimals("0.001", "40", places=3)
"""Such as cross an allowance of a few dozen somewhere in a sequence."""

any_quantities = st.one_of(small_quantities, decimals("0.000000000001", "1000", places=12), st.just(Decimal(10) ** 15))
"""From the smallest to the largest that one recording may hold."""
