"""What the commands do to the books, the admin pages do too: the two lists are held together here."""

import re
from collections.abc import Iterator

import click
import pytest
from flask import Flask

from usage_billing.cli.group import usage_billing

PAGES = {
    "bill": "runs/new",
    "portal-link": "customers/<>/portal",
    "keys create": "keys/new",
    "keys change": "keys/<>/change",
    "keys rotate": "keys/<>/rotate",
    "keys revoke": "keys/<>/revoke",
    "customers create": "customers/new",
    "customers change": "customers/<>/change",
    "credits give": "customers/<>/credit",
    "wallets create": "wallets/new",
    "wallets grant": "wallets/<>/grant",
    "wallets activate": "grants/<>/activate",
    "wallets void": "grants/<>/void",
    "wallets refund": "grants/<>/refund",
    "wallets reset": "wallets/<>/reset",
    "wallets close": "wallets/<>/close",
    "wallets open": "wallets/<>/open",
    "wallets recur": "wallets/<>/recur",
    "wallets end-schedule": "schedules/<>/end",
    "wallets top-up-rule": "wallets/<>/top-up-rule wallets/<>/end-top-up-rule",
    "wallets top-up-paid": "top-ups/<>/paid",
    "wallets top-up-failed": "top-ups/<>/failed",
    "packages create": "packages/new",
    "packages version": "packages/<>/version",
    "packages buy": "packages/<>/sell",
    "seller set": "seller/change",
    "taxes import": "seller/rates",  # one a form
    "plans create": "plans/new",
    "plans change": "plans/<>/change",
    "plans versions create": "plans/<>/base-fee",
    "usage-types create": "usage-types/new",
    "usage-types change": "usage-types/<>/change",
    "usage-types retire": "usage-types/<>/retire",
    "quotas create": "plans/<>/quota",
    "quotas end": "quotas/<>/end",
    "subscriptions create": "subscriptions/new",
    "subscriptions change-plan": "subscriptions/<>/<>",
    "subscriptions pause": "subscriptions/<>/<>",
    "subscriptions resume": "subscriptions/<>/<>",
    "subscriptions cancel": "subscriptions/<>/<>",
    "subscriptions end": "subscriptions/<>/<>",  # the same as cancel
    "subscriptions take-back": "subscriptions/<>/scheduled/<>/take-back",
    "subscriptions move-start": "subscriptions/<>/move-start",
    "usage record": "records/new",
    "usage void": "records/<>/take-back",
    "invoices finalize": "invoices/<>/finalize",
    "invoices pay": "invoices/<>/pay",
    "invoices void": "invoices/<>/void",
    "invoices uncollectible": "invoices/<>/uncollectible",
    "quarantine replay": "quarantine/<>/replay quarantine/replay",
    "quarantine discard": "quarantine/<>/discard quarantine/discard",
    "events resend": "events/<>/resend",
    "endpoints create": "endpoints/new",
    "endpoints rotate": "endpoints/<>/rotate",
    "endpoints reveal": "endpoints/<>/reveal",
    "endpoints test": "endpoints/<>/test",
    "endpoints disable": "endpoints/<>/disable",
    "endpoints enable": "endpoints/<>/enable",
    "endpoints delete": "endpoints/<>/delete",
    "endpoints replay": "endpoints/<>/replay",
    "alerts create": "alerts/new",
    "alerts change": "alerts/<>/change",
    "alerts end": "alerts/<>/end",
    "alerts test": "alerts/<>/test",
}
"""By command, the addresses below /admin whose forms do the same."""

READS = {
    *(f"{noun} list" for noun in (
        "keys", "customers", "wallets", "packages", "taxes", "plans", "plans versions", "usage-types", "quotas",
        "subscriptions", "usage", "invoices", "runs", "quarantine", "events", "endpoints", "alerts",
    )),
    *(f"{noun} show" for noun in (
        "customers", "credits", "wallets", "packages", "seller", "plans", "usage-types", "quotas", "subscriptions",
        "usage", "invoices", "runs", "quarantine", "events", "endpoints", "alerts",
    )),
    *("wallets entries", "packages purchases", "usage-types definitions", "usage-types evaluate"),
    *("usage-types folding", "usage-types skipped", "prices preview", "usage series", "invoices document"),
    *("invoices documents", "invoices explain", "invoices upcoming", "reports prepaid", "reports revenue", "what-if"),
    *("alerts firings", "wallets top-ups", "wallets schedules", "wallets grants"),
    *("events types", "endpoints deliveries", "endpoints delivery", "export", "logs", "doctor", "docs", "verify"),
}  # fmt: skip
"""Commands that change nothing."""

ONLY_COMMANDS = {
    "up": "it starts the service that has the pages",
    "migrate": "the pages are of one schema",
    "backup": "it writes a folder on the machine of the operator",
    "restore": "it fills servers that no service uses yet",
    "import": "it reads a file that may have millions of lines",
    "simulate": "it plays a sender",
    "listen": "it plays a receiver",
    "connect": "it prints what a program is given at a terminal",
    "admin-link": "it opens the pages",
    "keys token": "it makes tokens for development",
    "usage-types fold": "workers fold by themselves",
}
"""Commands that change something, and why no page does."""


def _commands() -> Iterator[str]:
    context = click.Context(usage_billing)

    def below(group: click.Group, path: str) -> Iterator[str]:
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            if isinstance(command, click.Group):
                yield from below(command, f"{path}{name} ")
            else:
                yield f"{path}{name}"

    return below(usage_billing, "")


def test_each_command_reads_has_a_page_or_says_why_not() -> None:
    named = [*PAGES, *READS, *ONLY_COMMANDS]
    assert sorted(_commands()) == sorted(named)


def test_each_of_these_pages_is_there(app: Flask) -> None:
    posts = {
        re.sub(r"<[^>]*>", "<>", rule.rule).removeprefix("/admin/")
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("operator.") and "POST" in (rule.methods or ())
    }
    assert [page for pages in PAGES.values() for page in pages.split() if page not in posts] == []


@pytest.mark.parametrize("kind", ["change-plan", "pause", "resume", "cancel"])
def test_each_change_of_a_subscription_is_one_of_them(app: Flask, kind: str) -> None:
    adapter = app.url_map.bind("localhost")
    assert adapter.match(f"/admin/subscriptions/s/{kind}", method="POST")[0] != "operator.show_nothing"
