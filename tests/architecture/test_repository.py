"""What is committed works on any machine, and names none."""

import configparser
import re
from contextlib import suppress
from fnmatch import fnmatch
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.sources import PACKAGES, ROOT, tracked_files

# Folders of one machine; /tmp alone is on all.
MACHINE = re.compile(r"(?<![\w.~-])/(?:home|Users|work|workspace|root|tmp/\w)/\w")
# The operator who installs decides where packages come from: an address in the files would bypass their mirror.
REGISTRY = re.compile(r"(?:index-url|find-links|registry\.[a-z]+\.[a-z]+|pypi\.org|pythonhosted)", re.IGNORECASE)
HERE = "tests/architecture/test_repository.py"
TEXTS = [name for name in tracked_files() if name != HERE and not name.endswith((".png", ".ico", ".woff2"))]


def _read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8", errors="replace")


@pytest.mark.parametrize(("pattern", "broken"), [(MACHINE, "see /home/ann/x"), (REGISTRY, "--index-url x")])
def test_the_patterns_see_what_they_are_for(pattern: re.Pattern[str], broken: str) -> None:
    assert pattern.search(broken)


@pytest.mark.parametrize("pattern", [MACHINE, REGISTRY], ids=["machine", "registry"])
def test_no_file_names_a_machine_or_a_registry(pattern: re.Pattern[str]) -> None:
    found = [f"{name}: {match.group()}" for name in TEXTS if (match := pattern.search(_read(name)))]
    assert found == []


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-test.lock"])
def test_locked_packages_carry_hashes(name: str) -> None:
    lines = _read(name).splitlines()
    packages = [line for line in lines if line and line[0].isalnum()]
    assert packages
    assert [line for line in packages if not line.endswith("\\")] == []
    assert sum("--hash=sha256:" in line for line in lines) >= len(packages)


def test_every_requirement_is_locked() -> None:
    setup = _read("setup.cfg")
    wanted = re.findall(r"^    ([a-z][a-z0-9-]*)(?:\[[a-z,]+\])?>=", setup, re.MULTILINE)
    locked = _locked("requirements-test.lock")
    assert len(wanted) > 20
    assert [name for name in wanted if name not in locked] == []


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-test.lock"])
def test_what_one_package_wants_of_another_is_locked_with_it(name: str) -> None:
    """Without its extras pip 23 takes the newest of what is asked for with one, finds it not pinned, and stops."""
    locked, asked = _locked(name), []
    for package, extras in locked.items():
        with suppress(PackageNotFoundError):  # for other systems
            asked += [
                wanted
                for wanted in map(Requirement, distribution(package).requires or ())
                if wanted.extras and any(not wanted.marker or wanted.marker.evaluate({"extra": x}) for x in extras)
            ]
    assert asked
    assert [str(wanted) for wanted in asked if not wanted.extras <= locked[canonicalize_name(wanted.name)]] == []


def _locked(name: str) -> dict[str, set[str]]:
    """The packages of a lock file with their extras, and with none."""
    found = re.findall(r"^([a-z0-9-]+)(?:\[([a-z, ]+)\])?==", _read(name), re.MULTILINE)
    return {package: {"", *extras.split(", ")} for package, extras in found}


def test_files_that_are_not_python_are_installed_too() -> None:
    """Run from a checkout, nothing misses them; installed, the first request for one would fail."""
    setup = configparser.ConfigParser()
    setup.read_string(_read("setup.cfg"))
    patterns = {key: value.split(", ") for key, value in setup["options.package_data"].items()}
    found = []
    for name in TEXTS:
        path = Path(name)
        if path.suffix == ".py" or path.parts[0] not in (*PACKAGES, "migrations"):
            continue
        package = next(folder for folder in path.parents if (ROOT / folder / "__init__.py").exists())
        inside = path.relative_to(package).as_posix()
        wanted = [*patterns["*"], *patterns.get(".".join(package.parts), [])]
        if not any(fnmatch(inside, pattern) and inside.count("/") == pattern.count("/") for pattern in wanted):
            found.append(name)
    assert found == []


def test_every_folder_of_tests_is_a_package() -> None:
    """Without it tests/tasks would hide tasks."""
    folders = {path.parent for path in (ROOT / "tests").rglob("*.py")}
    assert [str(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []
