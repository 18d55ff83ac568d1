"""``usage-billing doctor``: what is wrong with the set-up, and the cure."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from usage_billing.cli.frame.database import load_settings
from usage_billing.cli.frame.exit_codes import ExitCode
from usage_billing.cli.frame.listing import example
from usage_billing.cli.frame.output import json_option, print_json, shown
from usage_billing.core.clock import utc_now
from usage_billing.core.errors import ConfigurationError, UsageBillingError
from usage_billing.reports.doctor.finding import FAIL, OK, WARN, Finding, fine

if TYPE_CHECKING:
    from usage_billing.settings import Settings

_STYLE = {OK: "green", WARN: "yellow", FAIL: "red"}
_API_SECONDS = 3


@click.command(epilog=example("doctor", "doctor --json"))
@json_option
def command(*, as_json: bool) -> None:
    """Check settings, servers, clocks, credentials, schema, worker and beat, quotas, subscriptions and billing.

    It changes nothing. Exits 0 when all is well, 1 when there are warnings, and 4 when something has failed.
    """
    findings: list[Finding] = []
    for finding in _findings():
        findings.append(finding)
        if not as_json:
            _print(finding)
    troubles = [finding for finding in findings if finding.state != OK]
    if as_json:
        print_json({"healthy": not troubles, "findings": [_shape(finding) for finding in findings]})
    else:
        click.echo(f"{len(troubles)} findings." if troubles else "All is well.")
    if any(finding.state == FAIL for finding in troubles):
        raise click.exceptions.Exit(ExitCode.UNANSWERED)
    if troubles:
        raise click.exceptions.Exit(ExitCode.FINDINGS)


def _findings() -> Iterator[Finding]:
    from usage_billing.cli.migration.migrating import known_revisions
    from usage_billing.reports.doctor.diagnosis import diagnose

    try:
        settings = load_settings()
    except ConfigurationError as error:
        yield Finding("settings", FAIL, "settings_invalid", error.message, "correct the environment, or .env")
        return
    yield fine("settings", "every setting is readable")
    yield from _misspelt()
    head = known_revisions()[-1]
    token = os.environ.get("TEST_AUTH_TOKEN", "").strip()
    try:
        yield from diagnose(settings, head=head, test_token=token, now=utc_now())
    except UsageBillingError as error:  # the database went away between two checks
        yield Finding("database", FAIL, error.code, error.message, "run `usage-billing doctor` again")
    if settings.port is not None:
        yield _api(settings)


def _misspelt() -> Iterator[Finding]:
    from usage_billing.cli.frame.misspelt import misspelt

    for name, meant in misspelt(os.environ).items():
        cure = f"write {meant}" if meant else "see docs/configuration.md for the names, or remove it"
        yield Finding("settings", WARN, "setting_unknown", f"{name} is set, and no setting has that name", cure)


def _api(settings: Settings) -> Finding:
    import urllib.request

    url = f"http://127.0.0.1:{settings.port}/health/ready"
    try:
        with urllib.request.urlopen(url, timeout=_API_SECONDS):
            return fine("api", f"the API on port {settings.port} is ready")
    except urllib.error.HTTPError as error:
        with error:
            message = f"the API on port {settings.port} runs, but is not ready (HTTP {error.code})"
        return Finding("api", WARN, "api_not_ready", message, "the other findings, or its log, say why")
    except OSError as error:
        reason = getattr(error, "reason", error)
        message = f"the API does not answer on port {settings.port} ({reason})"
        return Finding("api", WARN, "api_unreachable", message, "start it with `usage-billing up`, or correct PORT")


def _print(finding: Finding) -> None:
    state = click.style(f"{finding.state:<4}", fg=_STYLE[finding.state])
    click.echo(f"{state}  {finding.check}: {shown(finding.message)}")
    if finding.cure:
        click.echo(f"      cure: {shown(finding.cure)}")


def _shape(finding: Finding) -> dict[str, str]:
    return {
        "check": finding.check,
        "state": finding.state,
        "code": finding.code,
        "message": finding.message,
        "cure": finding.cure,
    }
