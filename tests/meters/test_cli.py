"""Meters at the terminal: the same as over HTTP, and folding by hand."""

import json
from datetime import datetime

from sqlalchemy import Engine

from tests.factories import make_recording, record
from tests.integration.conftest import Cli
from usage_billing.db.session import transaction

TERMS = (
    "--value",
    "n * 2",
    "--where",
    "ok == true",
    "--dimension",
    "model",
    "--dimension",
    "size=n > 5 ? 'big' : 'small'",
)


def test_a_meter_from_its_definition_to_what_it_skipped(cli: Cli, world: Engine, now: datetime) -> None:
    made = cli("usage-types", "create", "twice", "--of", "assessment", *TERMS, "--since", "2026-01-01", "--json")
    assert made.code == 0, made.err
    assert (made.json["of"], made.json["version"], made.json["since"]) == ("assessment", 1, "2026-01-01T00:00:00Z")
    assert made.json["dimensions"][1] == {"as": "size", "value": "n > 5 ? 'big' : 'small'"}
    with transaction(world) as session:
        given = ({"n": 3, "ok": True, "model": "gpt"}, {"n": 9, "ok": False}, {"n": "NaN", "ok": True})
        record(session, *(make_recording(now=now, metadata=json.dumps(one)) for one in given))
    assert cli("usage-types", "folding", "--json").json[0]["behind"] == 3
    folded = cli("usage-types", "fold", "--json")
    assert (folded.code, folded.json) == (0, {"recordings": 3, "skipped": 1})
    assert cli("usage-types", "folding", "--json").json == [
        {"usageType": "twice", "behind": 0, "skipped": 1, "unfit": 0, "lookedBack": True}
    ]
    [skipped] = cli("usage-types", "skipped", "twice", "--json").json
    assert skipped["refusals"] == ["value: a field that it needs is missing or unfit"]
    asked = ("--of", "assessment", "--subscription", "sub456", "--last", "3", "--json")
    assert len(cli("usage-types", "evaluate", *TERMS, *asked).json) == 3
    tried = cli("usage-types", "evaluate", *TERMS, "--metadata", '{"n": 0.1, "ok": true}', "--json").json
    assert (tried[0]["value"], tried[0]["dimensions"]) == ("0.2", {"model": None, "size": "small"})
    changed = cli("usage-types", "change", "twice", "--where", "", "--effective-from", "2100-01-01", "--json")
    assert (changed.code, changed.json["where"], changed.json["version"]) == (0, None, 2)
    assert [one["version"] for one in cli("usage-types", "definitions", "twice", "--json").json] == [2, 1]
    assert cli("usage-types", "retire", "twice").code == 0
    assert "twice" in cli("usage-types", "list").out


def test_a_series_is_a_small_chart(cli: Cli, world: Engine, now: datetime) -> None:
    cli("usage-types", "create", "twice", "--of", "assessment", *TERMS, "--since", "2026-01-01")
    with transaction(world) as session:
        record(session, make_recording(now=now, metadata='{"n": 4, "ok": true, "model": "gpt"}'))
    span = ("--from", f"{now:%Y-%m-%d}", "--to", f"{now:%Y-%m-%d}T23:59:00Z")
    found = cli("usage", "series", "sub456", "twice", *span, "--group-by", "model", "--json")
    assert found.code == 0, found.err
    assert (found.json["total"], found.json["series"][0]["dimensions"]) == ("8", {"model": "gpt"})
    drawn = cli("usage", "series", "sub456", "twice", *span, "--group-by", "model")
    assert (drawn.code, "#" * 24 in drawn.out, "gpt" in drawn.out) == (0, True, True)
    assert max(map(len, drawn.out.splitlines())) <= 80
    plain = cli("usage", "series", "sub456", "assessment", *span, "--by", "hour")
    assert (plain.code, "total 1 assessment" in plain.out) == (0, True)
    table = cli("usage", "series", "user123", "twice", "--user", *span, "--csv", "--dimensions", '{"model": ["gpt"]}')
    assert table.out.splitlines()[0] == "start,end,complete,other,value"
    assert table.out.splitlines()[1].endswith(",true,false,8")
    assert cli("usage", "series", "sub456", "twice", "--dimensions", "model").code == 2
    assert cli("usage", "series", "sub456", "twice", "--by", "period", "--timezone", "UTC").code == 2
    assert cli("usage", "series", "sub456", "twice", "--csv", "--json").code == 2
    assert cli("usage", "series", "nobody", "twice", "--user").code == 3
    assert cli("usage", "series", "sub456", "twice", "--group-by", "colour").code == 2
    assert cli("usage", "series", "nothing", "twice").code == 3


def test_what_is_wrong_is_one_line_and_exit_code_2(cli: Cli, world: Engine) -> None:
    for arguments, says in (
        (("create", "x", "--of", "assessment", "--value", "1 +"), "at character 4"),
        (("create", "x", "--of", "nothing"), "no usage type nothing"),
        (("create", "x", "--value", "n"), "--value is a meter's"),
        (("create", "x", "--of", "assessment", "--aggregation", "median"), "sum, count"),
        (("create", "x", "--of", "assessment", "--dimension", "a=b +"), "at character 4"),
        (("change", "assessment"), "Say what to change"),
        (("change", "assessment", "--unit-name", "x", "--effective-from", "2100-01-01"), "next definition"),
        (("change", "assessment", "--value", "n"), "is no meter"),
        (("retire", "assessment"), "is no meter"),
        (("evaluate", "--value", "n", "--metadata", "[1]"), "must be a JSON object"),
        (("evaluate", "--value", "n"), "is required"),
        (("evaluate", "--value", "n", "--metadata", "{}", "--series-limit", "3"), "changes nothing"),
    ):
        answer = cli("usage-types", *arguments)
        assert (answer.code, answer.out) == (3 if "nothing" in arguments else 2, ""), (arguments, answer)
        assert says in answer.err, (arguments, answer.err)
        assert len(answer.err.strip().splitlines()) == 1, answer.err
    assert cli("usage-types", "show", "x").code != 0


def test_nothing_to_fold(cli: Cli, world: Engine) -> None:
    assert cli("usage-types", "fold", "--json").json == {"recordings": 0, "skipped": 0}
    assert "no meters" in cli("usage-types", "folding").out
    assert cli("usage-types", "definitions", "assessment").code == 0


def test_windows_are_options(cli: Cli, world: Engine, now: datetime) -> None:
    of = ("--of", "assessment", "--value", "n", "--since", "2026-01-01")
    made = cli(
        "usage-types", "create", "peaks", *of, "--aggregation", "max", "--every", "day", "--across", "sum", "--json"
    )
    assert made.code == 0, made.err
    assert made.json["window"] == {"every": "day", "across": "sum", "percent": None, "empty": "zero", "rate": None}
    window = ("--every", "5m", "--across", "percentile", "--percent", "99.9", "--empty", "skip", "--rate", "second")
    made = cli("usage-types", "create", "bandwidth", *of, *window, "--json")
    assert made.json["window"] == dict(zip((one[2:] for one in window[::2]), window[1::2], strict=True))
    with transaction(world) as session:
        record(session, *(make_recording(now=now, metadata=json.dumps({"n": n})) for n in (3, 9, 4)))
    assert cli("usage-types", "fold").code == 0
    drawn = cli("usage", "series", "sub456", "peaks", "--from", "2026-01-01", "--to", "2027-01-01", "--by", "month")
    assert (drawn.code, "9" in drawn.out) == (0, True)
    for wrong in (
        ("create", "x", *of, "--every", "7m", "--across", "max"),
        ("create", "x", *of, "--every", "day"),
        ("create", "x", *of, "--percent", "95"),
        ("create", "x", "--every", "day"),
        ("evaluate", "--value", "n", "--rate", "hour", "--metadata", "{}"),
    ):
        refused = cli("usage-types", *wrong)
        assert (refused.code, refused.out) == (2, ""), refused.err
        assert "every" in refused.err or "across" in refused.err
    shown = cli("usage-types", "show", "bandwidth")
    assert "99.9" in shown.out
