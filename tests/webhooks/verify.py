"""Verifies what a receiver got with the libraries of PyPI, unmodified; run by another Python than the product's."""

import json
import sys

import standardwebhooks
import svix.webhooks

given = json.load(sys.stdin)
found = {}
for name, library in (("standardwebhooks", standardwebhooks), ("svix", svix.webhooks)):
    for case in given:
        try:
            library.Webhook(case["secret"]).verify(case["body"].encode(), case["headers"])
            found[f"{name} {case['name']}"] = True
        except Exception as error:
            found[f"{name} {case['name']}"] = False if "erification" in type(error).__name__ else repr(error)
json.dump(found, sys.stdout)
