#!/usr/bin/env bash
# One template, compiled for one invoice after the other
#
# Package:  typst 0.15.2, Python 3.11
# Expected: a `Compiler` that was given its template as bytes compiles it as often as it is asked to, with other
#           `sys_inputs` each time, as one that was given a path does: "Initialize a Typst compiler. input: Optional .typ
#           file bytes or path".
# Seen:     the first `compile` works. The second raises "file not found (searched at .../__typst_py_bytes__.typ)".
# Matters:  a worker keeps one compiler, because making one reads all fonts. The first invoice of each process has its
#           document and no other has; a test that makes one document finds nothing.
# Instead:  give the template as a path.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "typst==0.15.2"

cat >"$folder/expected" <<'OUTPUT'
bytes: INV-1 %PDF
bytes: INV-2 file not found
path:  INV-1 %PDF
path:  INV-2 %PDF
OUTPUT

cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON' | tee "$folder/seen"
from pathlib import Path

import typst

TEMPLATE = b"#sys.inputs.number"
Path("invoice.typ").write_bytes(TEMPLATE)
for name, template in (("bytes: ", TEMPLATE), ("path:  ", "invoice.typ")):
    compiler = typst.Compiler(template)
    for number in ("INV-1", "INV-2"):
        try:
            print(name + number, compiler.compile(sys_inputs={"number": number}, format="pdf")[:4].decode())
        except typst.TypstError as error:
            print(name + number, str(error)[:14])
PYTHON

diff "$folder/expected" "$folder/seen"
