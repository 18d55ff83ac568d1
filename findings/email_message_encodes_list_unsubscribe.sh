#!/usr/bin/env bash
# A link to unsubscribe in a mail
#
# Package:  redmail 0.6.0, Python 3.11, whose `email.message.EmailMessage` it hands on
# Expected: the header `List-Unsubscribe: <https://...>` is written as it is given: RFC 2369 has a URL in angle brackets
#           there, and RFC 2047 allows encoded words in texts alone, which that is not.
# Seen:     a URL that does not fit in a line is written as encoded words, `=?utf-8?q?=3Chttps=3A//...`, over several
#           lines, although it is plain ASCII. A short one is written as it is, so a test with a short one passes.
# Matters:  a mail program finds no URL in the header and shows no button to unsubscribe; the larger providers demand one
#           (RFC 8058) of those who send invoices and reminders in numbers. A signed link is longer than a line.
# Instead:  map the header to a class of one's own, in the `HeaderRegistry` of the message's policy, whose `fold` gives
#           the line as it is.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "redmail==0.6.0"

cat >"$folder/expected" <<'OUTPUT'
short: List-Unsubscribe: <https://billing.example.com/off/abc>
long: List-Unsubscribe: =?utf-8?q?=3Chttps=3A//billing=2Eexample=2Ecom/off/abcabca?=
with a class of one's own: List-Unsubscribe: <https://billing.example.com/off/abcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabc>
OUTPUT

"$folder/venv/bin/python" - <<'PYTHON' | tee "$folder/seen"
from email.headerregistry import HeaderRegistry
from email.policy import default

from redmail import EmailSender


class AsItIs:
    max_count = 1

    @staticmethod
    def parse(text, parts):
        parts["decoded"], parts["parse_tree"] = text, None

    def fold(self, *, policy):
        return f"{self.name}: {self}{policy.linesep}"


def message(times):
    link = {"List-Unsubscribe": f"<https://billing.example.com/off/{'abc' * times}>"}
    whom = {"sender": "billing@example.com", "receivers": ["ann@example.com"]}
    return EmailSender(host="localhost", port=25).get_message(subject="Invoice", text="Paid.", headers=link, **whom)


def line(text):
    return next(one for one in text.splitlines() if one.startswith("List-Unsubscribe"))


registry = HeaderRegistry()
registry.map_to_type("list-unsubscribe", AsItIs)
own = default.clone(header_factory=registry)
long = message(20)
print(f"short: {line(message(1).as_string())}")
print(f"long: {line(long.as_string())}")
long.policy = own
url = str(long["List-Unsubscribe"])
del long["List-Unsubscribe"]
long["List-Unsubscribe"] = url
print(f"with a class of one's own: {line(long.as_string(policy=own))}")
PYTHON

diff "$folder/expected" "$folder/seen"
