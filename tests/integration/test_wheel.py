"""The wheel: what an operator gets beside the program, and that it is what the sources have."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT
from tests.integration.conftest import Cli

SHARE = ".data/data/share/usage-billing/"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a copy of the sources, which stay as they are."""
    place = tmp_path_factory.mktemp("wheel")
    files = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    for name in files:
        if not name.startswith(("tests/", "benchmarks/", "clients/")) and (ROOT / name).is_file():
            (place / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            (place / "source" / name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", "..", "."]
    done = subprocess.run(command, cwd=place / "source", capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    [found] = place.glob("*.whl")
    return found


def test_it_has_the_documentation_and_what_deploys_it(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as files:
        shared = {name.partition(SHARE)[2]: name for name in files.namelist() if SHARE in name}
        ours = {
            str(path.relative_to(ROOT))
            for folder in ("docs", "deploy")
            for path in (ROOT / folder).rglob("*")
            if path.is_file()
        }
        assert ours | {"README.md", "CHANGELOG.md"} == set(shared)
        for name in ours:
            assert files.read(shared[name]) == (ROOT / name).read_bytes()


def test_the_pages_are_listed_and_printed(cli: Cli) -> None:
    listed = cli("docs")
    assert (listed.code, "\noperations\n" in listed.out) == (0, True)
    assert cli("docs", "operations").out == (ROOT / "docs" / "operations.md").read_text()
    assert cli("docs", "nothing").code == 3
