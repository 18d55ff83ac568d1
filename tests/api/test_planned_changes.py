"""What is planned of a subscription: shown, kept by other changes, taken back; and changes that change nothing."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from tests.conftest import Clock
from tests.factories import make_recording, record
from usage_billing.db.session import read_only, transaction

SUB = "/api/subscriptions/sub456"
NINETEENTH, PERIOD_END = "2026-11-19T00:00:00Z", "2026-12-01T00:00:00Z"


@pytest.fixture
def plans(world: object, admin: FlaskClient) -> None:
    """Beside business there are gold and silver."""
    for name in ("gold", "silver"):
        assert admin.post("/api/plans", json={"id": name, "name": name, "currency": "USD"}).status_code == 201


def post(admin: FlaskClient, step: str, **body: Any) -> Any:
    answer = admin.post(f"{SUB}/{step}", json=body)
    assert answer.status_code == 200, answer.json
    return answer.json


def planned(shown: Any) -> list[tuple[str, str, str | None]]:
    return [(one["kind"], one["at"], one["planId"]) for one in shown["scheduled"]]


def count(engine: Engine, what: str) -> int:
    with read_only(engine) as session:
        return session.scalar(text(f"SELECT count(*) FROM {what}")) or 0


def test_what_is_planned_is_shown_beside_the_plan_of_today(plans: None, admin: FlaskClient) -> None:
    post(admin, "change-plan", planId="gold", at="2027-03-01T00:00:00Z")
    shown = admin.get(SUB).json
    assert shown["planId"] == "business"
    assert planned(shown) == [("plan", "2027-03-01T00:00:00Z", "gold")]


def test_what_has_happened_is_not_planned_any_more(plans: None, admin: FlaskClient, clock: Clock) -> None:
    post(admin, "change-plan", planId="gold", at=NINETEENTH)
    clock.advance(days=10)
    shown = admin.get(SUB).json
    assert (shown["planId"], shown["scheduled"]) == ("gold", [])


def test_a_cancellation_stays_through_a_pause_and_ends_it(plans: None, admin: FlaskClient, clock: Clock) -> None:
    post(admin, "cancel", at=NINETEENTH)
    post(admin, "pause")
    clock.advance(hours=1)
    resumed = post(admin, "resume")
    assert resumed["endedAt"] == NINETEENTH
    assert planned(resumed) == [("end", NINETEENTH, None)]
    assert resumed["terms"][-1] | {"startsAt": ""} == {
        "planId": "business",
        "startsAt": "",
        "endsAt": NINETEENTH,
        "paused": False,
    }


def test_a_pause_keeps_a_planned_plan_and_an_earlier_plan_a_later_one(plans: None, admin: FlaskClient) -> None:
    post(admin, "change-plan", planId="gold", at="period_end")
    post(admin, "pause", at="2026-11-16T00:00:00Z")
    shown = post(admin, "change-plan", planId="silver", at="2026-11-20T00:00:00Z")
    assert [(one["planId"], one["paused"]) for one in shown["terms"]] == [
        ("business", False),
        ("business", True),
        ("silver", True),
        ("gold", True),
    ]
    assert [kind for kind, _, _ in planned(shown)] == ["pause", "plan", "plan"]


def test_a_cancellation_is_taken_back_and_the_customer_stays(plans: None, admin: FlaskClient, engine: Engine) -> None:
    before = admin.get(SUB).json
    (change,) = post(admin, "cancel", at="period_end")["scheduled"]
    taken = admin.delete(f"{SUB}/scheduled/{change['id']}")
    assert (taken.status_code, taken.json["changed"], taken.json["effectiveAt"]) == (200, True, PERIOD_END)
    assert admin.get(SUB).json == before
    assert admin.delete(f"{SUB}/scheduled/{change['id']}").json["changed"] is False
    assert count(engine, "subscription_changes WHERE taken_back_at IS NOT NULL AND taken_back_by LIKE 'key:%'") == 1
    assert count(engine, "audit_log WHERE action = 'subscription.taken_back'") == 1


def test_what_has_happened_is_not_taken_back(plans: None, admin: FlaskClient, clock: Clock) -> None:
    (change,) = post(admin, "change-plan", planId="gold", at=NINETEENTH)["scheduled"]
    clock.advance(days=10)
    before = admin.get(SUB).json
    answer = admin.delete(f"{SUB}/scheduled/{change['id']}")
    assert (answer.status_code, answer.json["code"]) == (409, "change_happened")
    assert admin.get(SUB).json == before


@pytest.mark.parametrize("change", ["1000000", "9223372036854775808", "x"])
def test_a_change_that_is_not_there_is_not_found(plans: None, admin: FlaskClient, change: str) -> None:
    assert admin.delete(f"{SUB}/scheduled/{change}").status_code == 404


def test_the_change_of_another_subscription_is_not_found(plans: None, admin: FlaskClient) -> None:
    body = {"id": "other", "userId": "user123", "planId": "gold", "startedAt": "2026-01-01T00:00:00Z"}
    admin.post("/api/subscriptions", json=body)
    (change,) = post(admin, "cancel", at="period_end")["scheduled"]
    assert admin.delete(f"/api/subscriptions/other/scheduled/{change['id']}").status_code == 404


def test_an_earlier_end_takes_the_place_of_a_later_one(plans: None, admin: FlaskClient) -> None:
    post(admin, "cancel", at="period_end")
    assert planned(post(admin, "cancel", at=NINETEENTH)) == [("end", NINETEENTH, None)]
    later = admin.post(f"{SUB}/cancel", json={"at": "period_end"})
    assert (later.status_code, later.json["code"]) == (409, "already_ended")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((), ("change-plan", {"planId": "business"})),
        ((), ("resume", {})),
        (("pause", {}), ("pause", {})),
        (("cancel", {}), ("cancel", {})),
        (("cancel", {"at": NINETEENTH}), ("cancel", {"at": NINETEENTH})),
        (("change-plan", {"planId": "gold", "at": NINETEENTH}), ("change-plan", {"planId": "gold", "at": NINETEENTH})),
    ],
    ids=["the plan it is on", "running", "paused", "ended", "the same end", "the same plan then"],
)
def test_what_holds_already_changes_nothing(
    plans: None, admin: FlaskClient, engine: Engine, first: Any, second: tuple[str, dict[str, Any]]
) -> None:
    if first:
        post(admin, first[0], **first[1])
    before = (admin.get(SUB).json, count(engine, "audit_log"), count(engine, "subscription_changes"))
    again = post(admin, second[0], **second[1])
    assert again["changed"] is False
    assert (admin.get(SUB).json, count(engine, "audit_log"), count(engine, "subscription_changes")) == before


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("change-plan", {"planId": "gold"}), ("change-plan", {"planId": "silver"})),
        (("pause", {}), ("resume", {})),
    ],
)
def test_two_of_one_instant_that_contradict_are_refused(
    plans: None, admin: FlaskClient, first: tuple[str, dict[str, Any]], second: tuple[str, dict[str, Any]]
) -> None:
    before = post(admin, first[0], at=NINETEENTH, **first[1])
    answer = admin.post(f"{SUB}/{second[0]}", json={"at": NINETEENTH} | second[1])
    assert (answer.status_code, answer.json["code"]) == (409, "conflicting_change")
    assert admin.get(SUB).json["terms"] == before["terms"]


def test_there_and_back_at_one_instant_is_not_refused_now(plans: None, admin: FlaskClient) -> None:
    post(admin, "pause")
    assert post(admin, "resume")["effectiveAt"] == "2026-11-15T12:30:45.123457Z"


@pytest.mark.parametrize("step", ["change-plan", "pause", "resume", "cancel"])
def test_before_the_start_and_after_the_end_is_refused(plans: None, admin: FlaskClient, step: str) -> None:
    body = {"planId": "gold"} if step == "change-plan" else {}
    early = admin.post(f"{SUB}/{step}", json={"at": "2019-12-31T00:00:00Z"} | body)
    assert (early.status_code, early.json["code"]) == (409, "not_started")
    post(admin, "cancel", at=NINETEENTH)
    late = admin.post(f"{SUB}/{step}", json={"at": PERIOD_END} | body)
    assert (late.status_code, late.json["code"]) == (409, "already_ended")


def test_it_is_cancelled_at_the_periods_end_while_paused(plans: None, admin: FlaskClient) -> None:
    post(admin, "pause")
    assert post(admin, "cancel", at="period_end")["endedAt"] == PERIOD_END


@pytest.fixture
def ahead(plans: None, engine: Engine, now: datetime) -> datetime:
    """A recording by a clock that is twenty minutes ahead."""
    later = now + timedelta(minutes=20)
    with transaction(engine) as session:
        record(session, make_recording(now=now), make_recording(now=now, occurred_at=later))
    return later


@pytest.mark.parametrize("step", ["change-plan", "pause", "cancel"])
def test_now_is_after_the_latest_recording(admin: FlaskClient, ahead: datetime, step: str) -> None:
    body = {"planId": "gold"} if step == "change-plan" else {}
    assert post(admin, step, **body)["effectiveAt"] == "2026-11-15T12:50:45.123457Z"


def test_pausing_and_resuming_while_a_clock_is_ahead(admin: FlaskClient, ahead: datetime) -> None:
    post(admin, "pause")
    assert post(admin, "resume")["effectiveAt"] == "2026-11-15T12:50:45.123458Z"


def test_usage_after_the_moment_is_told_with_the_first_that_is_possible(admin: FlaskClient, ahead: datetime) -> None:
    answer = admin.post(f"{SUB}/pause", json={"at": "2026-11-15T12:30:45Z"})
    assert (answer.status_code, answer.json["code"]) == (409, "usage_later")
    assert "2 recordings" in answer.json["detail"]
    assert "2026-11-15T12:50:45.123457+00:00" in answer.json["detail"]
    assert post(admin, "pause", at="2026-11-15T12:50:45.123457Z")["changed"] is True


@pytest.mark.parametrize("step", ["pause", "cancel"])
def test_usage_after_the_moment_is_taken_back_where_that_is_asked(
    admin: FlaskClient, engine: Engine, ahead: datetime, now: datetime, step: str
) -> None:
    with transaction(engine) as session:
        record(session, make_recording(now=now, occurred_at=now - timedelta(days=3), quantity=60))
    done = post(admin, step, at="2026-11-14T00:00:00Z", laterUsage="void")
    assert done["voidedRecordings"] == 2
    with read_only(engine) as session:
        total = session.execute(text("SELECT total, beyond_limit, voids, to_rate FROM usage_summaries")).one()
    assert tuple(total) == (60, 10, 2, True)
    assert count(engine, "usage_voids") == 2
    assert count(engine, "audit_log WHERE action = 'usage.voided_later'") == 1


@pytest.mark.parametrize("more", [{}, {"dryRun": True}])
def test_more_than_one_transaction_takes_is_not_taken_back(
    admin: FlaskClient, engine: Engine, ahead: datetime, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any]
) -> None:
    monkeypatch.setattr("usage_billing.flows.recording.void_later.MOST", 1)
    answer = admin.post(f"{SUB}/pause", json={"at": "2026-11-14T00:00:00Z", "laterUsage": "void"} | more)
    assert (answer.status_code, answer.json["code"]) == (409, "usage_later")
    assert "2 recordings" in answer.json["detail"]
    assert count(engine, "usage_voids") == 0


def test_only_what_a_pause_covers_is_in_its_way(plans: None, admin: FlaskClient, engine: Engine, now: datetime,
                                                clock: Clock) -> None:  # fmt: skip
    """A resumption that is known already ends it; where the terms were divided they stay so."""
    post(admin, "pause", at="2026-11-16T00:00:00Z")
    post(admin, "resume", at="2026-11-18T00:00:00Z")
    clock.advance(days=5)
    with transaction(engine) as session:
        record(session, make_recording(now=clock.now))
    shown = post(admin, "pause", at="2026-11-15T20:00:00Z")
    begun = [one["startsAt"] for one in shown["terms"]][1:]
    assert begun == ["2026-11-15T20:00:00Z", "2026-11-16T00:00:00Z", "2026-11-18T00:00:00Z"]


@pytest.mark.parametrize("value", ["keep", None, True, ""])
def test_what_becomes_of_later_usage_is_one_of_two_words(plans: None, admin: FlaskClient, value: Any) -> None:
    answer = admin.post(f"{SUB}/cancel", json={"laterUsage": value})
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "/laterUsage")
    answer = admin.post(f"{SUB}/resume", json={"laterUsage": "void"})
    assert answer.json["errors"][0]["code"] == "unknown"


def test_a_start_is_moved_or_refused(plans: None, admin: FlaskClient, engine: Engine, clock: Clock) -> None:
    moved = admin.patch(SUB, json={"startedAt": "2025-02-01T00:00:00Z"})
    assert (moved.status_code, moved.json["startedAt"]) == (200, "2025-02-01T00:00:00Z")
    assert (moved.json["changed"], moved.json["replayable"]) == (True, [])
    for body, code in (({}, "required"), ({"startedAt": NINETEENTH, "endedAt": PERIOD_END}, "contradiction")):
        wrong = admin.patch(SUB, json=body)
        assert (wrong.status_code, wrong.json["errors"][0]["code"]) == (422, code)
    with transaction(engine) as session:
        record(session, make_recording(now=clock(), quantity=1))
    late = admin.patch(SUB, json={"startedAt": NINETEENTH})
    assert (late.status_code, late.json["code"]) == (409, "usage_before")
