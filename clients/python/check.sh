#!/bin/sh
# Builds the wheel, installs it into an empty environment as a user would, and records with it: sh check.sh
# PYTHON names the interpreter (python3 unless given). pip fetches the build backend that pyproject.toml names.
set -eu
cd "$(dirname "$0")"
python=${PYTHON:-python3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp -r pyproject.toml README.md CHANGELOG.md usage_billing_client "$folder"
"$python" -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$folder/dist" "$folder"
"$python" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-index "$folder"/dist/*.whl
cd "$folder/venv"
bin/python - <<'END'
from importlib.metadata import files, requires

import usage_billing_client
from usage_billing_client import UsageClient

names = {str(file) for file in files("usage-billing-client")}
assert "usage_billing_client/py.typed" in names, names
assert not any("test" in name for name in names), names
assert not requires("usage-billing-client")
assert usage_billing_client.__file__.startswith(__import__("sys").prefix)
usage = UsageClient("http://127.0.0.1:9", api_key="key", spill=False)
assert usage.record("user123", "sub456", "report") is not None
usage.close(0.1)
END
echo "the wheel is whole: $(ls "$folder"/dist)"
