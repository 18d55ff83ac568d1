"""Alerts on usage: told once in a period, in the transaction that reached the line, whatever the batching."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from tests.alerts.conftest import Watched
from tests.support.books import scalars
from usage_billing.alerts.thresholds import NEVER
from usage_billing.catalog.service import NewQuota
from usage_billing.db.session import transaction
from usage_billing.flows.administration import change_subscription
from usage_billing.flows.administration.define_quota import define_quota
from usage_billing.flows.administration.situation import When
from usage_billing.flows.alerting.manage_alerts import end_alert


def test_several_lines_that_one_batch_reaches_are_one_event_the_highest_first(watched: Watched) -> None:
    watched.alert("a", at=[50, 80, 100, 200], watches="percent", usage_type="calls", to=None)
    watched.use(4)
    assert watched.told() == []
    watched.use(3, 3)
    (told,) = watched.told()
    assert told == {
        "ruleId": "a",
        "userId": "ann",
        "subscriptionId": "s",
        "walletId": None,
        "usageType": "calls",
        "on": "percent",
        "basis": "allowance",
        "crossed": ["100", "80", "50"],
        "value": "10",
        "limit": "10",
        "currency": None,
        "periodStart": watched.start.isoformat().replace("+00:00", "Z"),
        "periodEnd": told["periodEnd"],
        "late": False,
        "endpointIds": None,
    }
    assert watched.firings() == [("a", "s/calls", line, 0) for line in ("50", "80", "100")]
    watched.use(9)
    assert len(watched.told()) == 1
    watched.use(1)
    assert watched.crossed() == [["100", "80", "50"], ["200"]]
    watched.use(100)
    assert len(watched.told()) == 2


def test_usage_below_the_line_is_not_judged(watched: Watched) -> None:
    watched.alert("a", at=[100], watches="units", usage_type="calls")
    watched.use(1)
    assert watched.lines() == {"calls": Decimal(100)}
    watched.use(1, of="pages")
    assert watched.lines() == {"calls": Decimal(100), "pages": None}


def test_books_without_alerts_are_looked_at_once(watched: Watched) -> None:
    watched.use(1)
    assert watched.lines() == {"calls": None}
    watched.alert("a", at=[1], watches="units", subscription_id="t")
    watched.use(5)
    assert (watched.lines(), watched.told()) == ({"calls": None}, [])


def test_what_is_reached_when_the_rule_is_made_is_told_by_the_next_look(watched: Watched) -> None:
    watched.use(7)
    watched.alert("a", at=[5, 8], watches="units", usage_type="calls")
    assert watched.crossed() == [["5"]]
    assert watched.lines() == {"calls": Decimal(8)}
    assert scalars(watched.engine, "SELECT count(*) FROM alert_looks") == [0]


def test_a_void_does_not_tell_again_and_resolves_where_asked(watched: Watched) -> None:
    watched.alert("never", at=[5], watches="units", usage_type="calls")
    watched.alert("told", at=[5], watches="units", usage_type="calls", resolve=True)
    watched.alert("again", at=[5], watches="units", usage_type="calls", rearm="on_resolve")
    watched.use(4)
    (id,) = watched.use(2)
    watched.void(id)
    watched.use(2)
    assert watched.firings() == [
        ("again", "s/calls", "5", 0),
        ("never", "s/calls", "5", 0),
        ("told", "s/calls", "5", 0),
        ("again", "s/calls", "5", 1),
    ]
    assert [one["ruleId"] for one in watched.told("alert.resolved")] == ["told"]
    assert len(watched.told()) == 4


def test_nothing_allowed_is_crossed_by_the_first_unit_and_no_bound_never(watched: Watched) -> None:
    watched.alert("a", at=[50, 200], watches="percent")
    watched.use("0.000000000001", of="pages")
    watched.use(10**12, of="free")
    assert [(one["usageType"], one["crossed"], one["limit"]) for one in watched.told()] == [
        ("pages", ["200", "50"], "0")
    ]


def test_multiples_are_one_event_and_one_firing(watched: Watched) -> None:
    watched.alert("a", every=Decimal(1000), watches="units", usage_type="calls")
    watched.use(11_999)
    watched.use(10**9)
    assert [(one["from"], one["to"], one["crossed"]) for one in watched.told()] == [
        ("1000", "11000", []),
        ("12000", "1000011000", []),
    ]
    assert [line for _, _, line, _ in watched.firings()] == ["11000", "1000011000"]
    assert watched.lines() == {"calls": Decimal(1_000_012_000)}


def test_an_amount_of_one_type_becomes_a_quantity(watched: Watched) -> None:
    watched.alert("a", at=[5, 20], watches="amount", usage_type="calls")
    watched.use(1)
    assert watched.lines() == {"calls": Decimal("12.4975")}  # 4.995 is 5.00 when it is rounded
    watched.use(12)
    (told,) = watched.told()
    assert (told["crossed"], told["value"], told["currency"], told["limit"]) == (["5.00"], "6.00", "USD", None)
    watched.use(100, of="pages")
    assert len(watched.told()) == 1


def test_an_amount_of_the_whole_subscription_adds_up_its_types(watched: Watched) -> None:
    watched.alert("a", at=[10], watches="amount")
    watched.alert("b", at=[50, 100], watches="percent", basis="spend", amount=Decimal(20))
    watched.use(13)  # 6.00
    watched.use(3, of="pages")  # 3.00
    assert watched.told() == []
    watched.use(1, of="pages")
    assert [(one["ruleId"], one["crossed"], one["value"], one["limit"]) for one in watched.told()] == [
        ("a", ["10.00"], "10.00", None),
        ("b", ["50"], "10.00", "20.00"),
    ]
    assert {subject for _, subject, _, _ in watched.firings()} == {"s"}


def test_a_rule_for_all_a_plan_or_a_customer_judges_each_subscription(watched: Watched) -> None:
    watched.alert("all", at=[5], watches="units", usage_type="calls", everything=True)
    watched.alert("ann", at=[5], watches="units", usage_type="calls", customer_id="ann")
    watched.alert("bob", at=[5], watches="units", usage_type="calls", customer_id="bob")
    watched.alert("p", at=[5], watches="units", usage_type="calls", plan_id="p")
    watched.alert("other", at=[5], watches="units", usage_type="calls", plan_id="other")
    watched.use(5)
    watched.use(5, by="t")
    assert sorted((one["ruleId"], one["subscriptionId"]) for one in watched.told()) == [
        (rule, name) for rule in ("all", "ann", "p") for name in ("s", "t")
    ]


def test_late_usage_says_so_or_is_silent(watched: Watched) -> None:
    before = watched.start - timedelta(days=3)
    long_ago = Watched(watched.engine, before)
    long_ago.alert("loud", at=[5], watches="units", usage_type="calls")
    long_ago.alert("silent", at=[5], watches="units", usage_type="calls", late="silent")
    watched.use(5, at=before)
    assert [(one["ruleId"], one["late"]) for one in watched.told()] == [("loud", True)]
    assert [rule for rule, *_ in watched.firings()] == ["loud", "silent"]
    watched.use(5)
    assert [(one["ruleId"], one["late"]) for one in watched.told()[1:]] == [("loud", False), ("silent", False)]


def test_a_rule_says_nothing_of_periods_that_were_over_before_it(watched: Watched) -> None:
    watched.alert("a", at=[5], watches="units", usage_type="calls")
    watched.use(50, at=watched.start - timedelta(days=3))
    assert watched.told() == []


def test_the_end_of_a_period_resolves_and_arms_nothing_in_it(watched: Watched) -> None:
    before = watched.start - timedelta(days=3)
    Watched(watched.engine, before).alert(
        "a", at=[5], watches="units", usage_type="calls", resolve=True, rearm="on_resolve"
    )
    watched.use(5, at=before)
    watched.judge()
    assert len(watched.told("alert.resolved")) == 1
    (id,) = watched.use(1, at=before)
    watched.void(id)
    watched.use(5, at=before)
    assert len(watched.told()) == 1


def test_a_larger_allowance_moves_the_line_and_told_stays_told(watched: Watched) -> None:
    watched.alert("a", at=[50, 100], watches="percent", usage_type="calls")
    watched.use(6)
    change_limit(watched, 100)
    watched.use(20)
    assert watched.crossed() == [["50"]]
    assert watched.lines()["calls"] == 100


def test_a_smaller_allowance_is_judged_at_once(watched: Watched) -> None:
    watched.alert("a", at=[80], watches="percent", usage_type="calls")
    watched.use(7)
    change_limit(watched, 8)
    (told,) = watched.told()
    assert (told["crossed"], told["value"], told["limit"]) == (["80"], "7", "8")


def test_a_period_that_is_cut_tells_once_by_the_whole_of_it(watched: Watched) -> None:
    watched.alert("a", at=[12, 30], watches="units", usage_type="calls")
    early = watched.start + (watched.now - watched.start) / 4
    watched.use(8, at=early)
    change_plan(watched, "other", at=watched.start + (watched.now - watched.start) / 2)
    watched.use(3)
    assert watched.told() == []
    watched.use(1)
    watched.use(20, at=early)
    watched.use(5)
    assert watched.crossed() == [["12"], ["30"]]
    assert {line for _, line in watched.lines().items()} == {NEVER}


def test_an_alert_that_has_ended_tells_nothing(watched: Watched) -> None:
    watched.alert("a", at=[5], watches="units", usage_type="calls")
    with transaction(watched.engine) as session:
        end_alert(session, "a", actor="test", now=watched.now)
    watched.use(6)
    assert (watched.told(), watched.lines()) == ([], {"calls": None})


def test_new_lines_are_judged_in_the_period_under_way(watched: Watched) -> None:
    watched.alert("a", at=[5], watches="units", usage_type="calls")
    watched.use(6)
    watched.change("a", thresholds=[Decimal(5), Decimal(6), Decimal(7)])
    assert watched.crossed() == [["5"], ["6"]]


def change_plan(watched: Watched, plan: str, at: datetime | None = None) -> None:
    with transaction(watched.engine) as session:
        change_subscription.change_plan(
            session, "s", plan_id=plan, when=When(moment=at or datetime.now(UTC)), actor="test", now=datetime.now(UTC)
        )
    watched.judge()


def change_limit(watched: Watched, limit: int) -> None:
    price = {"model": "per_unit", "unitPrice": "2"}
    new = NewQuota(plan_id="p", usage_type="calls", limit=Decimal(limit), price=price, effective="now")
    with transaction(watched.engine) as session:
        define_quota(session, new, actor="test", now=datetime.now(UTC))
    watched.judge()
