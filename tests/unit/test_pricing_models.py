"""What each pricing model charges: worked examples as the field publishes them, and laws that hold for any price."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from usage_billing.core.errors import InvalidInput
from usage_billing.rating.engine import amount_for, rate
from usage_billing.rating.price import parse_price
from usage_billing.rating.pricing.base import Line, total_of

# Stripe, "Tiered pricing": 1-5 at 7.00, 6-10 at 6.50, above at 6.00, for 1, 5, 6, 20 and 25 units.
STRIPE_TIERS = [
    {"upTo": "5", "unitPrice": "7.00"},
    {"upTo": "10", "unitPrice": "6.50"},
    {"upTo": None, "unitPrice": "6.00"},
]
STRIPE = [
    ("volume", "1", "7.00"),
    ("volume", "5", "35.00"),
    ("volume", "6", "39.00"),
    ("volume", "20", "120.00"),
    ("volume", "25", "150.00"),
    ("graduated", "1", "7.00"),
    ("graduated", "5", "35.00"),
    ("graduated", "6", "41.50"),
    ("graduated", "20", "127.50"),
    ("graduated", "25", "157.50"),
]
# Stripe, "Flat fees": the same tiers with 10, 20 and 30 added once the tier is reached.
STRIPE_FEES = [tier | {"flatFee": fee} for tier, fee in zip(STRIPE_TIERS, ("10", "20", "30"), strict=True)]


@pytest.mark.parametrize(("model", "quantity", "amount"), STRIPE)
def test_stripes_tiers(model, quantity, amount):
    assert _charge({"model": model, "tiers": STRIPE_TIERS}, quantity) == Decimal(amount)


@pytest.mark.parametrize(
    ("model", "quantity", "amount"),
    [
        ("volume", "5", "45.00"),
        ("volume", "6", "59.00"),
        ("volume", "11", "96.00"),
        ("graduated", "5", "45.00"),
        ("graduated", "6", "71.50"),
        ("graduated", "11", "133.50"),
    ],
)
def test_flat_fees_of_the_tiers_reached(model, quantity, amount):
    assert _charge({"model": model, "tiers": STRIPE_FEES}, quantity) == Decimal(amount)


# Lago, "Package charge model": 5 for each 100 units, the first 100 free.
@pytest.mark.parametrize(
    ("quantity", "amount"), [("0", "0"), ("100", "0"), ("101", "5"), ("200", "5"), ("201", "10"), ("200.5", "10")]
)
def test_packages(quantity, amount):
    price = {"model": "package", "packageSize": "100", "packagePrice": "5", "freeUnits": "100"}
    assert _charge(price, quantity) == Decimal(amount)


# Lago, "Percentage charge model": 1.2 % and 0.10 for each transaction.
def test_a_percentage_with_a_fee_for_each_recording():
    price = {"model": "percentage", "rate": "0.012", "fixedFee": "0.10"}
    assert _charge(price, "1000", recordings=4) == Decimal("12.40")


def test_a_percentage_with_free_units():
    price = {"model": "percentage", "rate": "0.05", "freeUnits": "300"}
    assert _charge(price, "200") == 0
    assert _charge(price, "500") == Decimal("10.00")


# Lago, "Percentage charge model": 1.2 % and 0.10, the first 3 transactions or 500 free: of 200, 100, 100 and 50 the
# fourth alone costs 0.70.
@pytest.mark.parametrize(
    ("each", "amount"),
    [
        (["200", "100", "100"], "0"),
        (["200", "100", "100", "50"], "0.70"),
        (["200", "400"], "1.30"),  # 100 of the second lie beyond the 500
        (["500", "10"], "0.22"),
    ],
)
def test_free_recordings_or_free_units_whichever_end_first(each, amount):
    price = {"model": "percentage", "rate": "0.012", "fixedFee": "0.10", "freeRecordings": 3, "freeUnits": "500"}
    assert _charge_each(price, each) == Decimal(amount)


# Lago, "Minimum / Maximum per transaction": 1 % and 0.50, at least 1 and at most 5 for each.
@pytest.mark.parametrize(
    ("each", "amount"), [(["20"], "1"), (["600"], "5"), (["100"], "1.50"), (["20", "600", "100"], "7.50")]
)
def test_a_least_and_a_most_for_each_recording(each, amount):
    price = {
        "model": "percentage",
        "rate": "0.01",
        "fixedFee": "0.50",
        "minimumPerRecording": "1",
        "maximumPerRecording": "5",
    }
    assert _charge_each(price, each) == Decimal(amount)


def test_free_recordings_alone_are_free_whatever_they_report():
    price = {"model": "percentage", "rate": "0.01", "freeRecordings": 1}
    assert _charge_each(price, ["100000", "100"]) == 1


@pytest.mark.parametrize(
    ("mode", "quantity", "amount"),
    [
        ("up", "1", "1000"),
        ("up", "1000", "1000"),
        ("up", "1000.1", "2000"),
        ("down", "1999", "1000"),
        ("down", "999", "0"),
        ("nearest", "499.9", "0"),
        ("nearest", "500", "1000"),
        ("nearest", "1499.9", "1000"),
    ],
)
def test_a_quantity_is_rounded_before_it_is_charged(mode, quantity, amount):
    price = {"model": "per_unit", "unitPrice": "1", "roundQuantity": {"to": "1000", "mode": mode}}
    assert _charge(price, quantity) == Decimal(amount)


def test_it_is_rounded_before_free_units_and_tiers():
    rounding = {"roundQuantity": {"to": "10", "mode": "up"}}
    package = {"model": "package", "packageSize": "10", "packagePrice": "5", "freeUnits": "5"}
    assert _charge(package | rounding, "1") == 5
    assert _charge({"model": "volume", "tiers": STRIPE_TIERS} | rounding, "5.5") == Decimal("65.00")


@pytest.mark.parametrize(
    ("extra", "pointer", "code"),
    [
        ({"roundQuantity": "1000"}, "/price/roundQuantity", "not_an_object"),
        ({"roundQuantity": {"mode": "up"}}, "/price/roundQuantity/to", "required"),
        ({"roundQuantity": {"to": "0", "mode": "up"}}, "/price/roundQuantity/to", "out_of_range"),
        ({"roundQuantity": {"to": "1", "mode": "even"}}, "/price/roundQuantity/mode", "not_supported"),
        ({"roundQuantity": {"to": "1", "mode": "up", "by": 1}}, "/price/roundQuantity/by", "unknown"),
        ({"freeRecordings": "1.5"}, "/price/freeRecordings", "out_of_range"),
        ({"minimumPerRecording": "2", "maximumPerRecording": "1"}, "/price/maximumPerRecording", "contradiction"),
        ({"freeRecordings": 1, "roundQuantity": {"to": "1", "mode": "up"}}, "/price/roundQuantity", "contradiction"),
    ],
)
def test_what_cannot_be_meant_is_refused(extra, pointer, code):
    with pytest.raises(InvalidInput) as refused:
        parse_price({"model": "percentage", "rate": "0.01", **extra})
    assert [(e.pointer, e.code) for e in refused.value.fields] == [(pointer, code)]


@pytest.mark.parametrize(("quantity", "amount"), [("0", "0"), ("0.000000000001", "99"), ("1000", "99")])
def test_a_flat_amount_for_any_use(quantity, amount):
    assert _charge({"model": "flat", "amount": "99"}, quantity) == Decimal(amount)


def test_discount_then_minimum_then_maximum():
    price = {"model": "per_unit", "unitPrice": "1", "discountPercent": "50"}
    assert _charge(price, "10") == Decimal("5.00")
    assert _charge(price | {"minimumAmount": "7"}, "10") == Decimal("7.00")
    assert _charge(price | {"maximumAmount": "4"}, "10") == Decimal("4.00")
    assert _charge(price | {"minimumAmount": "7"}, "0") == Decimal("7.00")


@pytest.mark.parametrize(
    ("currency", "amount"), [("USD", "0.13"), ("JPY", "0"), ("KWD", "0.125"), ("CLF", "0.1250"), ("IDR", "0.13")]
)
def test_one_rounding_half_up_to_the_minor_unit(currency, amount):
    assert str(_charge({"model": "per_unit", "unitPrice": "0.125"}, "1", currency=currency)) == amount


def test_twelve_places_of_a_unit_price_are_kept():
    assert _charge({"model": "per_unit", "unitPrice": "0.000000000001"}, "5000000000") == Decimal("0.01")


BAD = [
    ({}, "/price/model"),
    ({"model": "free"}, "/price/model"),
    ({"model": "per_unit"}, "/price/unitPrice"),
    ({"model": "per_unit", "unitPrice": "-1"}, "/price/unitPrice"),
    ({"model": "per_unit", "unitPrice": "NaN"}, "/price/unitPrice"),
    ({"model": "per_unit", "unitPrice": "0.0000000000001"}, "/price/unitPrice"),
    ({"model": "per_unit", "unitPrice": True}, "/price/unitPrice"),
    ({"model": "per_unit", "unitPrice": "1", "tiers": []}, "/price/tiers"),
    ({"model": "graduated", "tiers": []}, "/price/tiers"),
    ({"model": "graduated", "tiers": [{"upTo": "5", "unitPrice": "1"}]}, "/price/tiers/0/upTo"),
    ({"model": "graduated", "tiers": [{"upTo": None, "unitPrice": "1"}] * 2}, "/price/tiers/0/upTo"),
    ({"model": "graduated", "tiers": [{"upTo": "0", "unitPrice": "1"}, {"unitPrice": "1"}]}, "/price/tiers/0/upTo"),
    (
        {
            "model": "volume",
            "tiers": [{"upTo": "5", "unitPrice": "1"}, {"upTo": "5", "unitPrice": "1"}, {"flatFee": 1}],
        },
        "/price/tiers/1/upTo",
    ),
    ({"model": "volume", "tiers": [{"upTo": None}]}, "/price/tiers/0/unitPrice"),
    ({"model": "package", "packageSize": "0", "packagePrice": "1"}, "/price/packageSize"),
    ({"model": "package", "packageSize": "-5", "packagePrice": "1"}, "/price/packageSize"),
    ({"model": "percentage", "rate": "1001"}, "/price/rate"),
    ({"model": "flat", "amount": "1", "discountPercent": "101"}, "/price/discountPercent"),
    ({"model": "flat", "amount": "1", "minimumAmount": "2", "maximumAmount": "1"}, "/price/maximumAmount"),
]


@pytest.mark.parametrize(("price", "pointer"), BAD)
def test_a_wrong_price_is_refused_with_its_place(price, pointer):
    with pytest.raises(InvalidInput) as caught:
        parse_price(price)
    assert [field.pointer for field in caught.value.fields] == [pointer]


DECIMALS = st.decimals(0, 10**6, places=6, allow_nan=False)
QUANTITIES = st.decimals(0, 10**9, places=4, allow_nan=False)


@st.composite
def tiers(draw: st.DrawFn) -> list[dict[str, object]]:
    ends = sorted(draw(st.sets(st.integers(1, 10**6), max_size=5)))
    fee = DECIMALS.map(str)
    return [{"upTo": end, "unitPrice": draw(fee), "flatFee": draw(fee)} for end in [*map(str, ends), None]]


@st.composite
def prices(draw: st.DrawFn, models: tuple[str, ...]) -> dict[str, object]:
    model, number = draw(st.sampled_from(models)), DECIMALS.map(str)
    own: dict[str, dict[str, object]] = {
        "per_unit": {"unitPrice": draw(number)},
        "graduated": {"tiers": draw(tiers())},
        "volume": {"tiers": draw(tiers())},
        "package": {
            "packageSize": str(draw(st.integers(1, 1000))),
            "packagePrice": draw(number),
            "freeUnits": draw(number),
        },
        "percentage": {"rate": "0.0317", "fixedFee": draw(number), "freeUnits": draw(number)},
        "flat": {"amount": draw(number)},
    }
    return {"model": model, **own[model]}


ALL = ("per_unit", "graduated", "volume", "package", "percentage", "flat")


@pytest.mark.parametrize(
    ("price", "labels"),
    [
        ({"model": "per_unit", "unitPrice": "0.250"}, ["12.5 x 0.25"]),
        ({"model": "flat", "amount": "9"}, ["flat amount"]),
        ({"model": "package", "packageSize": "5", "packagePrice": "4", "freeUnits": "2"}, ["3 packages of 5 x 4"]),
        ({"model": "percentage", "rate": "0.029", "fixedFee": "0.3"}, ["12.5 x 0.029", "7 recordings x 0.3"]),
        ({"model": "volume", "tiers": [{"upTo": None, "unitPrice": "2"}]}, ["tier 1: 12.5 x 2"]),
        ({"model": "per_unit", "unitPrice": "1", "discountPercent": "20"}, ["12.5 x 1", "discount of 20 %"]),
        ({"model": "per_unit", "unitPrice": "1", "minimumAmount": "20"}, ["12.5 x 1", "up to the minimum of 20"]),
        ({"model": "per_unit", "unitPrice": "1", "maximumAmount": "10"}, ["12.5 x 1", "down to the maximum of 10"]),
    ],
)
def test_each_step_says_what_it_is(price, labels):
    lines = parse_price(price).lines(Decimal("12.500000000000"), recordings=7)
    assert [line.label for line in lines] == labels


def test_a_description_is_no_template():
    assert Line("3 {units} of {}", Decimal(3), Decimal(1)).label == "3 {units} of {}"


@given(prices(ALL), QUANTITIES, st.integers(1, 50))
def test_the_steps_add_up_and_the_stored_form_charges_the_same(fields, quantity, recordings):
    rated = rate(parse_price(fields), quantity, recordings=recordings, currency="USD")
    assert total_of(rated.lines) == rated.exact
    stored = parse_price(fields).fields()
    assert parse_price(stored).fields() == stored
    assert amount_for(stored, quantity, recordings=recordings, currency="USD") == rated.amount


@given(prices(("per_unit", "graduated", "package", "flat")), QUANTITIES, QUANTITIES)
def test_more_never_costs_less(fields, one, other):
    less, more = sorted((one, other))
    price = parse_price(fields)
    assert (
        rate(price, less, recordings=1, currency="USD").exact <= rate(price, more, recordings=1, currency="USD").exact
    )


@given(DECIMALS, QUANTITIES)
def test_one_tier_is_the_same_however_it_is_called(unit_price, quantity):
    tier = [{"upTo": None, "unitPrice": str(unit_price)}]
    amounts = {
        _charge({"model": "per_unit", "unitPrice": str(unit_price)}, str(quantity)),
        _charge({"model": "graduated", "tiers": tier}, str(quantity)),
        _charge({"model": "volume", "tiers": tier}, str(quantity)),
    }
    assert len(amounts) == 1


@given(tiers(), QUANTITIES)
def test_graduated_is_the_sum_over_its_tiers(given_tiers, quantity):
    assume(quantity > 0)
    expected, floor = Fraction(0), Fraction(0)
    for tier in given_tiers:
        ceiling = Fraction(quantity) if tier["upTo"] is None else min(Fraction(quantity), Fraction(str(tier["upTo"])))
        if ceiling > floor:
            expected += (ceiling - floor) * Fraction(str(tier["unitPrice"])) + Fraction(str(tier["flatFee"]))
            floor = ceiling
    rated = rate(parse_price({"model": "graduated", "tiers": given_tiers}), quantity, recordings=1, currency="USD")
    assert Fraction(rated.exact) == expected


@given(prices(ALL))
def test_nothing_used_costs_nothing(fields):
    assert rate(parse_price(fields), Decimal(0), recordings=0, currency="USD").amount == 0


def _charge(fields: dict[str, object], quantity: str, *, recordings: int = 1, currency: str = "USD") -> Decimal:
    return rate(parse_price(fields), Decimal(quantity), recordings=recordings, currency=currency).amount


def _charge_each(price, each):
    parsed, quantities = parse_price(price), [Decimal(quantity) for quantity in each]
    rated = rate(parsed, sum(quantities), recordings=len(each), currency="USD", each=quantities)
    assert parse_price(parsed.fields()) == parsed
    return rated.amount
