"""What is judged once an hour: what a period will cost, and days that are unlike others."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from tests.alerts.conftest import Watched
from tests.alerts.test_once import killed_at
from tests.factories import make_recording, record
from tests.support.books import rows, scalars
from tests.support.properties import examples
from usage_billing.alerts.projection import is_unusual, may_project, median, still_to_come
from usage_billing.alerts.states import Watches
from usage_billing.core.periods import Period, period_at
from usage_billing.db.session import transaction
from usage_billing.flows.alerting.judge_hourly import judge_hour
from usage_billing.flows.folding.drive_folds import fold_all

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Hours:
    """The running period, of which ten days are over, and the hours that are judged in it."""

    def __init__(self, watched: Watched) -> None:
        # A past month: the clock of the tasks is given, and usage may be as old as it is.
        self.watched = watched
        self.start = period_at(watched.start - timedelta(days=1), zone="UTC").start
        self.end = watched.start
        self.now = self.start + 10 * DAY + 12 * HOUR

    def use(self, quantity: int, *, days_ago: float, of: str = "calls", by: str = "s") -> None:
        """Usage so long before the present hour, counted and folded."""
        at = self.now - timedelta(days=days_ago)
        one = make_recording(
            now=self.now, quantity=quantity, customer="ann", subscription=by, usage_type=of, occurred_at=at
        )
        with transaction(self.watched.engine) as session:
            assert record(session, one).recorded == 1

    def pass_hour(self, watches: Watches = Watches.PROJECTED) -> None:
        """The next hour comes and is judged, after what folds count."""
        self.now += HOUR
        self.judge(watches)

    def judge(self, watches: Watches = Watches.PROJECTED) -> None:
        """Judge the hour, and again: nothing more is done."""
        fold_all(self.watched.engine)
        with transaction(self.watched.engine) as session:
            while judge_hour(session, watches, now=self.now):
                pass


@pytest.fixture
def hours(watched: Watched) -> Hours:
    return Hours(watched)


def test_what_two_hours_agree_on_is_told(hours: Hours) -> None:
    for day in range(1, 8):
        hours.use(7, days_ago=day)
    early = Watched(hours.watched.engine, hours.now - DAY)
    early.alert("p", at=[100, 2000], watches="projected", subscription_id="s")
    hours.judge()  # its type is kept by time from now on
    hours.pass_hour()  # the first hour that knows the days
    assert hours.watched.told() == []
    hours.pass_hour()
    (told,) = hours.watched.told()
    left = Decimal((hours.end - hours.now) // HOUR) / 24
    assert Decimal(told["value"]) == round((49 + 7 * left - 10) * 2, 2)
    assert (told["on"], told["crossed"], told["currency"], told["limit"]) == ("projected", ["100.00"], "USD", None)
    assert (told["subscriptionId"], told["usageType"], told["late"]) == ("s", None, False)
    hours.pass_hour()
    assert len(hours.watched.told()) == 1
    hours.watched.verified()


def test_an_hour_that_was_left_out_agrees_with_none(hours: Hours) -> None:
    hours.use(70, days_ago=2)
    Watched(hours.watched.engine, hours.now).alert("p", at=[100], watches="projected", usage_type="calls")
    hours.judge()
    hours.pass_hour()
    hours.now += HOUR  # beat was away
    hours.pass_hour()
    assert hours.watched.told() == []
    hours.judge()  # a second message in the same hour
    assert hours.watched.told() == []
    hours.pass_hour()
    assert [one["usageType"] for one in hours.watched.told()] == ["calls"]


def test_it_is_back_when_two_hours_agree_on_that(hours: Hours) -> None:
    hours.use(70, days_ago=2)
    alert = {"watches": "projected", "resolve": True, "rearm": "on_resolve"}
    Watched(hours.watched.engine, hours.now).alert("p", at=[200], **alert)
    hours.judge()
    hours.pass_hour()
    hours.pass_hour()
    assert len(hours.watched.told()) == 1
    (id,) = scalars(hours.watched.engine, "SELECT id FROM usage")
    hours.watched.void(id)
    hours.pass_hour()
    assert hours.watched.told("alert.resolved") == []
    hours.pass_hour()
    assert len(hours.watched.told("alert.resolved")) == 1


def test_a_death_in_an_hour_judges_it_once(hours: Hours, tmp_path: Path) -> None:
    hours.use(70, days_ago=2)
    Watched(hours.watched.engine, hours.now).alert("p", at=[100], watches="projected")
    hours.judge()
    hours.pass_hour()
    hours.now += HOUR

    def work(engine: Engine) -> None:
        with transaction(engine) as session:
            judge_hour(session, Watches.PROJECTED, now=hours.now)

    for point in ("alerts.projected", "alerts.fired", "alerts.hour"):
        killed_at(point, tmp_path, work, hours.watched.engine)
        assert (hours.watched.told(), hours.watched.firings()) == ([], [])
    work(hours.watched.engine)
    work(hours.watched.engine)
    assert (len(hours.watched.told()), len(hours.watched.firings())) == (1, 1)


def test_a_day_unlike_the_same_weekdays_is_told(hours: Hours) -> None:
    for week, quantity in enumerate((10, 12, 10, 14, 11), start=1):
        hours.use(quantity, days_ago=7 * week)
    hours.use(500, days_ago=1)  # another weekday
    Watched(hours.watched.engine, hours.now).alert("odd", at=[3, 9], watches="anomaly", resolve=True)
    hours.judge(Watches.ANOMALY)
    hours.use(13, days_ago=0)
    hours.pass_hour(Watches.ANOMALY)
    assert hours.watched.told() == []  # the median is 11, its deviation 1: 13 are two of them
    hours.use(1, days_ago=0)
    hours.pass_hour(Watches.ANOMALY)
    (told,) = hours.watched.told()
    assert (told["crossed"], told["value"], told["limit"], told["usageType"]) == (["3"], "14", "11", "calls")
    day = hours.now.replace(hour=0)
    assert told["periodStart"] == day.isoformat().replace("+00:00", "Z")
    hours.use(6, days_ago=0)
    hours.now = day + DAY  # what comes last is judged in the first hour of the next day
    hours.judge(Watches.ANOMALY)
    assert [one["crossed"] for one in hours.watched.told()] == [["3"], ["9"]]
    hours.watched.judge()
    assert len(hours.watched.told("alert.resolved")) == 1
    hours.watched.verified()


@pytest.mark.parametrize("point", ["alerts.compared", "alerts.fired", "alerts.hour"])
def test_a_death_while_a_day_is_compared_tells_it_once(hours: Hours, tmp_path: Path, point: str) -> None:
    for week in range(1, 5):
        hours.use(10, days_ago=7 * week)
    Watched(hours.watched.engine, hours.now).alert("odd", at=[3], watches="anomaly")
    hours.use(500, days_ago=1)
    hours.judge(Watches.ANOMALY)
    hours.use(20, days_ago=0)
    fold_all(hours.watched.engine)
    hours.now += HOUR

    def work(engine: Engine) -> None:
        with transaction(engine) as session:
            judge_hour(session, Watches.ANOMALY, now=hours.now)

    killed_at(point, tmp_path, work, hours.watched.engine)
    assert (hours.watched.told(), hours.watched.firings()) == ([], [])
    work(hours.watched.engine)
    work(hours.watched.engine)
    assert (len(hours.watched.told()), len(hours.watched.firings())) == (1, 1)


def test_what_cannot_be_judged_keeps_no_other_from_it(hours: Hours) -> None:
    for name in ("s", "t"):
        hours.use(70, days_ago=2, by=name)
        Watched(hours.watched.engine, hours.now).alert(name, at=[100], watches="projected", subscription_id=name)
    with hours.watched.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alert_rules SET thresholds = '{NaN}' WHERE id = 's'")
    hours.judge()
    hours.pass_hour()
    hours.pass_hour()
    assert [one["ruleId"] for one in hours.watched.told()] == ["t"]
    assert [row.upto for row in rows(hours.watched.engine, "SELECT upto FROM alert_hours")] == [None]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"thresholds": None, "every": "5"}, "/every"),
    ({"late": "silent"}, "/late"),
    ({"basis": "allowance"}, "/basis"),
    ({"currency": "EUR"}, "/currency"),
    ({"scope": {"all": True}}, "/currency"),
    ({"scope": {"walletId": "w"}}, "/scope"),
    ({"thresholds": ["1.005"]}, "/thresholds/0"),
    ({"rearmAbove": "20"}, "/rearmAbove"),
    ({"on": "anomaly", "currency": "USD"}, "/currency"),
    ({"on": "anomaly", "thresholds": None, "every": "2"}, "/every"),
    ({"on": "anomaly", "thresholds": ["0"]}, "/thresholds/0"),
]


def test_over_http(watched: Watched, admin: FlaskClient) -> None:
    body = {"id": "a", "scope": {"subscriptionId": "s"}, "on": "projected", "thresholds": ["10"]}
    for said, pointer in WRONG:
        answer = admin.post("/api/alerts", json=body | said)
        assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, pointer), said
    assert rows(watched.engine, "SELECT id FROM alert_rules") == []
    assert admin.post("/api/alerts", json=body).json["currency"] == "USD"
    odd = admin.post("/api/alerts", json=body | {"id": "b", "on": "anomaly", "scope": {"all": True}})
    assert (odd.status_code, odd.json["thresholds"], odd.json["currency"]) == (201, ["10"], None)


def test_nothing_is_foreseen_before_a_tenth_and_a_day_are_over() -> None:
    start = datetime(2026, 6, 1, tzinfo=UTC)
    month, week = Period(start, start + 30 * DAY), Period(start, start + 7 * DAY)
    assert [may_project(month, start + 3 * DAY - at) for at in (HOUR, 0 * HOUR)] == [False, True]
    assert [may_project(week, start + DAY - at) for at in (HOUR, 0 * HOUR)] == [False, True]
    assert not may_project(month, month.end)


@examples(30)
@given(st.lists(st.integers(0, 10**6), max_size=7), st.integers(0, 30 * 24))
def test_what_is_to_come_is_the_mean_for_each_day_left(days: list[int], hours_left: int) -> None:
    coming = still_to_come([Decimal(one) for one in days], hours_left * HOUR)
    assert abs(coming * len(days) * 24 - sum(days) * hours_left) < Decimal("1e-8")


@examples(30)
@given(st.lists(st.integers(1, 1000), min_size=4, max_size=8), st.integers(1, 10))
def test_what_is_unusual_is_above_the_median_by_its_deviation(days: list[int], line: int) -> None:
    used = [Decimal(one) for one in days]
    middle = median([Fraction(one) for one in days])
    spread = max(median([abs(one - middle) for one in days]), middle / 100)
    edge = middle + line * spread
    for today in (int(edge) - 1, int(edge), int(edge) + 1):
        assert is_unusual(Decimal(today), used, deviations=Decimal(line)) == (today >= edge)
    assert not is_unusual(Decimal(10**9), used[:3], deviations=Decimal(1))
    assert not is_unusual(Decimal(1), [Decimal(0)] * 8, deviations=Decimal(1))
