"""Summaries proven by what the database added up; those that it does not prove are left to be read."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from usage_billing.reports.verify.facts import Then, digest_of, facts_then, ordinal_sums
from usage_billing.reports.verify.proof import Proof
from usage_billing.reports.verify.screen import filled, filled_then, is_proven
from usage_billing.reports.verify.tally import Tally


def prove(session: Session, proofs: Mapping[int, Proof], facts: Mapping[int, Any], seed: int) -> list[int]:
    """Let each of these proofs say what its recordings come to, where their ``facts`` alone prove that.

    ``seed`` is of their hashes. Returns the ids of the others, whose recordings have to be read one by one.
    """
    # Of what is recorded and not of what summaries say: that may be any number.
    ordinals = ordinal_sums(session, {facts[id].recorded for id in proofs}, seed)
    proven = {
        id: one for id, one in proofs.items() if type(one) is Proof and is_proven(one.summary, facts[id], ordinals)
    }
    wanted = {then for id, one in proven.items() for then in _earlier(one, facts[id])}
    before = facts_then(session, sorted(wanted, key=lambda then: (then.summary, then.events, then.voids)))
    return [
        id for id, one in proofs.items() if id not in proven or not _fill(one, facts[id], digest_of(facts[id]), before)
    ]


def _moment(proof: Proof, item: Any) -> Then:
    return Then(proof.summary.id, item.events, item.voids)


def _is_now(proof: Proof, item: Any, facts: Any) -> bool:
    """Whether an item was written for the recordings and by the allowance that there are now."""
    return (item.events, item.voids, item.allowance) == (facts.recorded, facts.taken_back, proof.summary.allowance)


def _earlier(proof: Proof, facts: Any) -> list[Then]:
    return [_moment(proof, item) for item, _ in proof.items if not _is_now(proof, item, facts)]


def _fill(proof: Proof, facts: Any, digest: int, before: Mapping[Then, Any]) -> bool:
    items: list[tuple[Any, Tally]] = []
    for item, tally in proof.items:
        made: Tally | None
        if _is_now(proof, item, facts):
            made = filled(tally, facts, digest)
        elif (then := before.get(_moment(proof, item))) is None:
            made = tally
        else:
            made = filled_then(tally, then, digest_of(then), allowance=proof.summary.allowance)
        # A price with a rule for each recording asks for every part beyond the limit.
        if made is None or (made.each is not None and made.beyond_events):
            return False
        items.append((item, made))
    proof.now, proof.items = filled(proof.now, facts, digest), items
    return True
