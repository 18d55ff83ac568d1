"""``usage-billing keys``: issued, shown once, listed, rotated, revoked; tokens that hold."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from api.schemas.api_keys import NewApiKeySchema, RotationSchema
from api.schemas.numbers import Whole
from tests.integration.conftest import Cli
from tests.support.books import scalars
from usage_billing.access.service import authenticate
from usage_billing.access.tokens import TokenRules, verify_token
from usage_billing.cli.frame.exit_codes import ExitCode
from usage_billing.core.clock import utc_now
from usage_billing.core.errors import NotAuthenticated
from usage_billing.db.session import rolled_back
from usage_billing.settings import Settings

CREATE = ("keys", "create", "--name", "reports", "--scope", "usage:write", "--scope", "usage:read")


def holds(engine: Engine, settings: Settings, key: str) -> bool:
    """Whether the API would take the key."""
    with rolled_back(engine) as session:
        try:
            authenticate(session, key, secret=settings.secret, now=utc_now())
        except NotAuthenticated:
            return False
    return True


def test_a_key_is_shown_once_and_holds(cli: Cli, engine: Engine, settings: Settings) -> None:
    answer = cli(*CREATE)
    key = next(line.split()[-1] for line in answer.out.splitlines() if line.startswith("key "))
    assert holds(engine, settings, key)
    assert "never shown again" in answer.err
    assert key not in cli("keys", "list", "--json").out
    assert key.encode() not in bytes(scalars(engine, "SELECT hash FROM api_keys")[0])
    assert key not in str(scalars(engine, "SELECT detail FROM audit_log"))


def test_rotate_keeps_both_and_revoke_ends_one(cli: Cli, engine: Engine, settings: Settings) -> None:
    old = cli(*CREATE, "--json").json
    new = cli("keys", "rotate", old["prefix"], "--overlap", "1h", "--json").json
    assert new["scopes"] == old["scopes"]
    assert holds(engine, settings, old["key"])
    assert holds(engine, settings, new["key"])
    assert cli("keys", "revoke", old["id"], "--json").json["revokedAt"]
    assert cli("keys", "revoke", old["id"]).code == 0
    assert not holds(engine, settings, old["key"])
    assert holds(engine, settings, new["key"])
    assert [key["prefix"] for key in cli("keys", "list", "--json").json] == [new["prefix"]]
    assert len(cli("keys", "list", "--all", "--json").json) == 2
    assert scalars(engine, "SELECT action FROM audit_log ORDER BY id") == ["key.created", "key.rotated", "key.revoked"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("keys", "rotate", "ub_nothing1"), "there is no key"),
        (("keys", "revoke", "00000000-0000-7000-8000-000000000000"), "there is no key"),
        ((*CREATE, "--expires", "2001-01-01"), "--expires: must be in the future"),
    ],
)
def test_what_is_refused(cli: Cli, arguments: tuple[str, ...], said: str) -> None:
    answer = cli(*arguments)
    assert answer.code == (ExitCode.NOT_THERE if said == "there is no key" else ExitCode.REFUSED)
    assert answer.err.startswith(f"usage-billing: {said}")


def test_a_key_that_was_rotated_is_not_rotated_again(cli: Cli) -> None:
    key = cli(*CREATE, "--expires", (datetime.now(UTC) + timedelta(days=9)).isoformat(), "--json").json
    assert cli("keys", "rotate", key["prefix"]).code == 0
    assert cli("keys", "rotate", key["prefix"]).code == 2


def test_a_key_is_changed_and_its_successor_has_its_own_end(cli: Cli) -> None:
    key = cli(*CREATE, "--expires", "2999-01-01", "--json").json
    assert (
        cli("keys", "change", key["prefix"], "--expires", "2999-06-01", "--json")
        .json["expiresAt"]
        .startswith("2999-06")
    )
    named = cli(
        "keys", "change", key["id"], "--expires", "never", "--name", "renamed", "--rate-limit", "7", "--json"
    ).json
    assert (named["expiresAt"], named["name"], named["rateLimit"]) == (None, "renamed", 7)
    for wrong in ((), ("--expires", "2020-01-01"), ("--expires", "soon"), ("--rate-limit", "0")):
        answer = cli("keys", "change", key["prefix"], *wrong)
        assert answer.code == 2, wrong
    new = cli("keys", "rotate", key["prefix"], "--expires", "2998-01-01", "--json").json
    assert new["expiresAt"].startswith("2998-01-01")
    cli("keys", "revoke", key["prefix"])
    assert cli("keys", "change", key["prefix"], "--expires", "never").code == 2


def test_the_bounds_are_those_of_the_api(cli: Cli) -> None:
    schema = NewApiKeySchema().fields["rate_limit"], RotationSchema().fields["overlap_seconds"]
    (most, longest) = (int(field.openapi["maximum"]) for field in schema if isinstance(field, Whole))
    key = cli(*CREATE, "--rate-limit", str(most), "--json").json
    assert key["rateLimit"] == most
    assert cli("keys", "change", key["prefix"], "--rate-limit", str(most), "--json").json["rateLimit"] == most
    for wrong in (
        (*CREATE, "--rate-limit", str(most + 1)),
        ("keys", "change", key["prefix"], "--rate-limit", str(most + 1)),
        *(("keys", "rotate", key["prefix"], "--overlap", span) for span in ("367d", "999999d")),
    ):
        answer = cli(*wrong)
        assert (answer.code, answer.err.count("\n")) == (2, 1), wrong
    assert longest == 366 * 24 * 3600
    assert cli("keys", "rotate", key["prefix"], "--overlap", f"{longest // 3600}h").code == 0


def test_a_key_may_be_bound(cli: Cli) -> None:
    write = ("keys", "create", "--name", "till", "--scope", "usage:write")
    bound = ("--source", "till 7", "--usage-type", "report", "--usage-type", "page", "--user", "user123")
    key = cli(*write, *bound, "--json").json
    assert (key["source"], key["usageTypes"], key["userIds"]) == ("till 7", ["page", "report"], ["user123"])
    taken = cli(*write, "--source", "till 7")
    assert (taken.code, taken.err.count("\n")) == (2, 1)
    assert key["prefix"] in taken.err
    assert cli(*CREATE, "--user", "user123").code == 2


@pytest.mark.parametrize("admin", [False, True])
def test_a_token_holds(cli: Cli, settings: Settings, admin: bool) -> None:
    answer = cli("keys", "token", "--user", "user123", "--ttl", "15m", *(["--admin"] if admin else []))
    principal = verify_token(answer.out.strip(), TokenRules.of(settings))
    assert principal.actor == "user:user123"
    assert principal.may("admin") is admin
    assert set(cli("keys", "token", "--user", "user123", "--json").json) == {"token"}


def test_without_a_secret_there_is_no_token(program: Cli) -> None:
    answer = program("keys", "token", "--user", "user123", JWT_SECRET="")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "JWT_SECRET" in answer.err


def test_a_development_secret_is_refused_outside_up(program: Cli) -> None:
    answer = program(*CREATE, USAGE_BILLING_SECRET="dev-" + "x" * 40)
    assert answer.code == 2
    assert "development secret" in answer.err
    assert "x" * 40 not in answer.err
