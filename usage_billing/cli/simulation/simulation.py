"""The founding document's test script, step by step: record beyond the limit, bill, look at the invoice."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import uuid4

from usage_billing.cli.frame.exit_codes import Finding
from usage_billing.cli.frame.http import Client
from usage_billing.cli.simulation.prepaid import UNITS, drawn_units, grant_units
from usage_billing.cli.simulation.simulated import Subject
from usage_billing.core.errors import NotFound

BEYOND = 3
_POLLS_A_SECOND = 5

Say = Callable[[str], None]
Row = dict[str, Any]


class SimulationFailed(Finding):
    """A step did something else than it should; the message names the step and the cure."""

    code = "simulation_failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result: the line of usage, the invoice with its items, the ids of the recordings and of the run."""

    subject: Subject
    records: list[str]
    run_id: str
    usage: Row
    invoice: Row


@dataclass(frozen=True, slots=True)
class Simulation:
    """The script against one API. No wait takes longer than ``seconds``. ``prepaid``: a part is paid for beforehand."""

    client: Client
    say: Say
    seconds: int
    prepaid: bool = False

    def run(self, subject: Subject, usage_type: str | None) -> Outcome:
        """Take all steps; raises SimulationFailed, Refusal, NotFound or Unavailable."""
        before = self._line(subject, usage_type)
        kind = str(before["usageType"])
        quantity = max(Decimal(before["remaining"]), Decimal(0)) + BEYOND
        grant = grant_units(self.client, subject, kind) if self.prepaid else None
        records = self._record(subject, kind, quantity)
        for record in records:
            self._wait_until_recorded(record)
        after = self._line(subject, kind)
        self._check_usage(before, after, quantity)
        if grant is not None:
            self._check_drawn(before, after, grant)
        run_id, invoice = self._bill(subject)
        self._check_invoice(after, invoice)
        again = self._bill(subject)[1]
        if _charges(again) != _charges(invoice):
            raise SimulationFailed("billing twice changed the invoice: run `usage-billing verify`")
        self.say("billed again: the same invoice")
        return Outcome(subject, records, run_id, after, again)

    def _line(self, subject: Subject, usage_type: str | None) -> Row:
        usage = self.client.get(f"/api/usage/subscription/{subject.subscription_id}")
        if usage["userId"] != subject.user_id:
            raise SimulationFailed(
                f"subscription {subject.subscription_id} is {usage['userId']}'s, not {subject.user_id}'s:"
                " correct TEST_USER_ID or TEST_SUBSCRIPTION_ID"
            )
        lines = [
            line for line in usage["usage"] if line["limit"] is not None and usage_type in {None, line["usageType"]}
        ]
        if not lines:
            which = f"usage type {usage_type}" if usage_type else "any usage type"
            raise SimulationFailed(
                f"plan {usage['planId']} has no quota with a limit for {which}: usage-billing quotas create --plan"
                f" {usage['planId']} --usage-type {usage_type or 'TYPE'} --limit 50 --unit-price 10.00"
            )
        return min(lines, key=lambda line: Decimal(line["remaining"]))

    def _record(self, subject: Subject, usage_type: str, quantity: Decimal) -> list[str]:
        records = []
        parts = [part for part in (quantity - BEYOND, Decimal(1), Decimal(1), Decimal(BEYOND - 2)) if part]
        for part in parts:
            body = {
                "userId": subject.user_id,
                "subscriptionId": subject.subscription_id,
                "usageType": usage_type,
                "quantity": f"{part:f}",
                "metadata": {"simulated": True},
                "idempotencyKey": f"simulate:{uuid4()}",
            }
            records.append(str(self.client.post("/api/usage/record", body)["id"]))
        self.say(f"recorded {quantity:f} of {usage_type} in {len(parts)} recordings: each was answered 202")
        return records

    def _wait_until_recorded(self, record: str) -> None:
        for _ in self._tries():
            status = self._status(record)
            if status.get("status") == "recorded":
                self.say(f"counted {record}: {status['withinLimit']} within the limit, {status['beyondLimit']} beyond")
                return
            if status.get("status") == "quarantined":
                raise SimulationFailed(
                    f"{record} is in quarantine ({status.get('reason')}): usage-billing quarantine show {record}"
                )
        raise SimulationFailed(
            f"{record} was accepted, but not counted after {self.seconds} s: is a worker running?"
            " `usage-billing doctor` says more"
        )

    def _status(self, record: str) -> Row:
        try:
            found: Row = self.client.get(f"/api/usage/records/{record}")
        except NotFound as error:
            if error.code != "not_found":
                raise
            return {}
        return found

    def _check_usage(self, before: Row, after: Row, quantity: Decimal) -> None:
        if Decimal(after["used"]) < Decimal(before["used"]) + quantity:
            raise SimulationFailed(
                f"{before['used']} were used before and {quantity:f} recorded, but {after['used']} are used:"
                " run `usage-billing verify`"
            )
        self.say(
            f"usage: {after['used']} of {after['limit']}, {after['overage']} beyond,"
            f" estimated {after['estimatedCharge']} {after['currency']}"
        )

    def _check_drawn(self, before: Row, after: Row, grant: str) -> None:
        drawn, covered = drawn_units(self.client, grant), Decimal(after["covered"]) - Decimal(before["covered"])
        if drawn != UNITS or covered < UNITS:
            raise SimulationFailed(
                f"{UNITS} units were granted beforehand, but {drawn:f} of them are drawn and {covered:f} covered:"
                " run `usage-billing verify`"
            )
        self.say(f"paid for beforehand: {after['covered']}, so {after['charged']} are charged")

    def _bill(self, subject: Subject) -> tuple[str, Row]:
        run_id = str(
            self.client.post("/api/usage/process-billing", {"subscriptionId": subject.subscription_id})["runId"]
        )
        for _ in self._tries():
            run = self.client.get(f"/api/billing-runs/{run_id}")
            if run["status"] == "completed":
                break
            if run["status"] == "failed":
                raise SimulationFailed(f"the billing run failed: usage-billing runs show {run_id}")
        else:
            raise SimulationFailed(
                f"the billing run {run_id} is not completed after {self.seconds} s: is a worker running?"
                " `usage-billing doctor` says more"
            )
        found = self.client.get(f"/api/invoices?subscriptionId={subject.subscription_id}&status=draft")["data"]
        if not found:
            raise SimulationFailed("billing completed, but there is no draft invoice: run `usage-billing verify`")
        invoice: Row = self.client.get(f"/api/invoices/{found[0]['id']}")
        self.say(f"billed: run {run_id}, invoice {invoice['id']} over {invoice['total']} {invoice['currency']}")
        return run_id, invoice

    def _check_invoice(self, usage: Row, invoice: Row) -> None:
        mine = [
            item
            for item in invoice["items"]
            if item["usageType"] == usage["usageType"] and item["periodStart"] == usage["periodStart"]
        ]
        charged = sum((Decimal(item["amount"]) for item in mine), Decimal(0))
        quantity = sum((Decimal(item["quantity"]) for item in mine), Decimal(0))
        if (quantity, charged) != (Decimal(usage["charged"]), Decimal(usage["estimatedCharge"])):
            raise SimulationFailed(
                f"{usage['charged']} beyond the limit cost {usage['estimatedCharge']}, but the invoice charges"
                f" {charged} for {quantity}: run `usage-billing verify`"
            )

    def _tries(self) -> Iterator[None]:
        deadline = time.monotonic() + self.seconds
        yield
        while time.monotonic() < deadline:
            time.sleep(1 / _POLLS_A_SECOND)
            yield


def _charges(invoice: Row) -> list[tuple[str, str, str, str]]:
    keys = ("usageType", "periodStart", "quantity", "amount")
    return sorted((str(i[keys[0]]), str(i[keys[1]]), str(i[keys[2]]), str(i[keys[3]])) for i in invoice["items"])
