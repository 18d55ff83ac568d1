"""The charges of a period whose segments have prices of their own, in fractions, from the product's description."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from tests.money.prices import Price, cost, half_up

Times = Sequence[tuple[Fraction, Fraction]]
Ways = Sequence[tuple[str, bool]]
"""How the plan of each segment divides: by which method, and whether the time before the subscription counts."""


def charges(
    prices: Sequence[Price | None], beyond: Sequence[Sequence[Fraction]], times: Sequence[Times], ways: Ways
) -> list[Fraction]:
    """What each segment is charged: what its price comes to with it, less what it came to without it.

    ``times[k][j]``: where segment ``j`` begins and ends as the plan of ``k`` counts time.
    """
    whole = [method == "none" for method, _ in ways]
    found: list[Fraction] = []
    for k, price in enumerate(prices):
        mine = [j for j in range(len(prices)) if prices[j] == price]
        if price is None:
            found.append(Fraction(0))
            continue
        told = {name: value for name, value in price.items() if name != "maximumAmount"}
        if len(mine) < len(prices) and not whole[mine[0]]:
            told = _part_of(told, [times[j][j] for j in mine])
        amount = _come_to(told, beyond, mine, k)
        before = sum((found[j] for j in mine if j < k), Fraction(0))
        if "maximumAmount" in price:
            amount = min(amount, _cap(prices, times, ways, found, k))
            run = _run(prices, ways, k)
            then = [j for j in mine if j < run]
            grown = amount_then = Fraction(0)
            if then:
                amount_then = _come_to(told, beyond, mine, then[-1])
                grown = sum((found[j] for j in then), Fraction(0))
            amount = min(amount, grown + max(Fraction(0), _come_to(told, beyond, mine, k) - amount_then))
        found.append(amount - before)
    return found


def _come_to(price: Price, beyond: Sequence[Sequence[Fraction]], mine: list[int], upto: int) -> Fraction:
    each = [quantity for j in mine if j <= upto for quantity in beyond[j]]
    return cost(price, sum(each, Fraction(0)), len(each), each=each)


def _part_of(price: Price, times: Times) -> Price:
    def part(value: Any) -> Fraction:
        amount = Fraction(value or 0)
        return sum((half_up(amount * last, 2) - half_up(amount * first, 2) for first, last in times), Fraction(0))

    found = {name: part(value) if name in {"minimumAmount", "amount"} else value for name, value in price.items()}
    if "tiers" in price:
        found["tiers"] = [tier | {"flatFee": part(tier.get("flatFee"))} for tier in price["tiers"]]
    return found


def _run(prices: Sequence[Price | None], ways: Ways, k: int) -> int:
    """Where the price of segment ``k``, or the way in which its plan divides, was last taken up."""
    if all(price == prices[k] for price in prices):
        return 0
    while k > 0 and (prices[k - 1], ways[k - 1]) == (prices[k], ways[k]):
        k -= 1
    return k


def _cap(
    prices: Sequence[Price | None], times: Sequence[Times], ways: Ways, found: Sequence[Fraction], k: int
) -> Fraction:
    """The most that the price of segment ``k`` may come to, what earlier prices with a maximum took left out."""
    price = prices[k] or {}
    cap = Fraction(price["maximumAmount"])
    earlier = [j for j in range(k) if "maximumAmount" in (prices[j] or {})]
    if any(other != price for other in prices) and ways[k][0] != "none":
        cap *= 1 - times[k][k][0]
        for j in earlier:
            cap += Fraction((prices[j] or {})["maximumAmount"]) * (times[k][j][1] - times[k][j][0])
    others = sum((found[j] for j in earlier if prices[j] != price), Fraction(0))
    run = _run(prices, ways, k)
    then = sum((found[j] for j in range(run) if prices[j] == price), Fraction(0))
    return max(half_up(cap, 2) - others, then)
