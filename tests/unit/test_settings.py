"""Settings: what cannot be used is refused in one line that names the variable."""

import os
import subprocess
import sys
from dataclasses import Field, fields
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from usage_billing.access.tokens import check_public_key
from usage_billing.cli.frame.misspelt import misspelt
from usage_billing.core.errors import ConfigurationError
from usage_billing.settings import Settings


def test_networks_of_gateways_are_read_once() -> None:
    settings = Settings.from_environment({"USAGE_BILLING_TRUSTED_PROXIES": "10.0.0.0/8, 2001:db8::/32"})
    assert [str(network) for network in settings.trusted_networks] == ["10.0.0.0/8", "2001:db8::/32"]


@pytest.mark.parametrize("wrong", ["gateway", "10.0.0.1/8", "10.0.0.0/33", "*"])
def test_what_is_no_network_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^USAGE_BILLING_TRUSTED_PROXIES must be networks"):
        Settings.from_environment({"USAGE_BILLING_TRUSTED_PROXIES": wrong})


NUMBERS = [item for item in fields(Settings) if item.metadata["of"]]


def test_every_number_has_its_bounds() -> None:
    numbers = {item.name for item in fields(Settings) if isinstance(item.default, int) and item.default not in (0, 1)}
    assert numbers <= {item.name for item in NUMBERS}
    assert len(NUMBERS) > 12


@pytest.mark.parametrize("number", NUMBERS, ids=lambda item: item.metadata["env"])
def test_a_number_out_of_its_bounds_is_refused_in_one_line(number: Field[int]) -> None:
    name, (least, most) = number.metadata["env"], number.metadata["of"]
    for value in (least, most):
        assert getattr(Settings.from_environment({name: str(value)}), number.name) == value
    for wrong in (least - 1, most + 1, -1, -(10**20), 10**20):
        with pytest.raises(ConfigurationError, match=f"^{name} must be ") as caught:
            Settings.from_environment({name: str(wrong)})
        assert "\n" not in caught.value.message
    for wrong in ("1.0", "1e3", "0x10", "\u0661", "1 000", "ten"):
        with pytest.raises(ConfigurationError, match=f"^{name} must be a whole number"):
            Settings.from_environment({name: wrong})


def test_origins_are_read_as_browsers_send_them() -> None:
    settings = Settings.from_environment(
        {"USAGE_BILLING_CORS_ORIGINS": "https://app.example.com, http://localhost:3000"}
    )
    assert settings.allowed_origins == {"https://app.example.com", "http://localhost:3000"}


@pytest.mark.parametrize(
    "wrong", ["*", "app.example.com", "https://a.example/path", "https://a.example/", "HTTPS://A.EXAMPLE", "http://:80"]
)
def test_what_is_no_origin_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^USAGE_BILLING_CORS_ORIGINS must be origins"):
        Settings.from_environment({"USAGE_BILLING_CORS_ORIGINS": wrong})


@pytest.mark.parametrize(
    "given", ["https://billing.example.com", "http://127.0.0.1:5003/", "https://example.com/billing/"]
)
def test_the_public_address_has_no_slash_at_its_end(given: str) -> None:
    assert Settings.from_environment({"USAGE_BILLING_PUBLIC_URL": given}).public_address == given.rstrip("/")


@pytest.mark.parametrize(
    "wrong", ["billing.example.com", "ftp://a.example", "https://", "https://a.example?x=1", "https://u:p@a.example"]
)
def test_what_is_no_public_address_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^USAGE_BILLING_PUBLIC_URL must be a URL"):
        Settings.from_environment({"USAGE_BILLING_PUBLIC_URL": wrong})


@pytest.mark.parametrize("name", ["USAGE_BILLING_ADMIN_KEY", "INTERNAL_API_KEY", "USAGE_BILLING_METRICS_TOKEN"])
@pytest.mark.parametrize("wrong", ["short", "x" * 257, "sixteen or more \u00e4"])
def test_a_key_that_cannot_hold_is_named(name: str, wrong: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name} must have 16 to 256 printable ASCII characters"):
        Settings.from_environment({name: wrong})


def test_a_pooler_has_one_mode_and_a_way_past_it() -> None:
    pooled, direct = "postgresql://u:p@pooler:6432/b", "postgresql://u:p@db/b"
    behind = {"DATABASE_URL": pooled, "DATABASE_DIRECT_URL": direct, "USAGE_BILLING_POOLER": "transaction"}
    settings = Settings.from_environment(behind)
    assert settings.pooled
    assert settings.require_direct_database() == "postgresql+psycopg://u:p@db/b"
    alone = Settings.from_environment({"DATABASE_URL": direct})
    assert (alone.pooled, alone.require_direct_database()) == (False, "postgresql+psycopg://u:p@db/b")
    with pytest.raises(ConfigurationError, match=r"^USAGE_BILLING_POOLER must be transaction, or not set"):
        Settings.from_environment({"USAGE_BILLING_POOLER": "session"})
    with pytest.raises(ConfigurationError, match=r"^DATABASE_DIRECT_URL must start with postgresql://"):
        Settings.from_environment({"DATABASE_DIRECT_URL": "mysql://u@h/b"}).require_direct_database()


def test_a_public_key_on_one_line_is_read() -> None:
    public = generate_private_key(SECP256R1()).public_key()
    text = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    for spelled in (text, text.replace("\n", "\\n")):
        settings = Settings.from_environment({"JWT_PUBLIC_KEY": spelled})
        assert settings.jwt_public_key.strip() == text.strip()
        check_public_key(settings.jwt_public_key)


def test_a_name_that_no_setting_has_is_found_and_its_likeness_too() -> None:
    found = misspelt({"USAGE_BILLING_SHEDULE": "", "USAGE_BILLING_XYZ": "", "USAGE_BILLING_HOME": "", "PATH": ""})
    assert found == {"USAGE_BILLING_SHEDULE": "USAGE_BILLING_SCHEDULE", "USAGE_BILLING_XYZ": None}


SERVICES = [
    ("celery", ("-A", "tasks.celery", "beat"), "USAGE_BILLING_MAX_BATCH"),
    ("gunicorn", ("-c", "python:api.gunicorn_config", "--bind", "127.0.0.1:0", "api:create_app()"), "JWT_PUBLIC_KEY"),
]


@pytest.mark.parametrize(("program", "arguments", "variable"), SERVICES)
def test_a_service_with_a_wrong_setting_ends_with_one_line(
    tmp_path: Path, program: str, arguments: tuple[str, ...], variable: str
) -> None:
    status, said = _started(tmp_path, program, *arguments, **{variable: "lots"})
    assert status != 0
    assert said.startswith(f"usage-billing: {variable} must be")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("program", "arguments"),
    [("celery", ("--quiet", "-A", "tasks.celery", "worker", "-P", "solo")), ("gunicorn", SERVICES[1][1])],
)
def test_a_service_without_a_database_does_not_start(tmp_path: Path, program: str, arguments: tuple[str, ...]) -> None:
    given = {"REDIS_URL": "redis://127.0.0.1:1/0", "USAGE_BILLING_SECRET": "x" * 32}
    status, said = _started(tmp_path, program, *arguments, **given)
    assert status != 0
    assert "Traceback" not in said
    assert said.splitlines()[-1].startswith("usage-billing")
    assert ": DATABASE_URL is not set: give postgresql://" in said.splitlines()[-1]


def _started(folder: Path, program: str, *arguments: str, **variables: str) -> tuple[int, str]:
    """The exit status of a service with these variables alone, and what it says."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2]), **variables}
    command = [sys.executable, "-m", program, *arguments]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr
