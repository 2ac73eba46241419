"""The sums of shown items: what they hold, how they fade, what is stored and restored."""

from __future__ import annotations

import numpy as np
import pytest

from cron.posterior.item_sums import ItemSums
from cron.posterior.open_lists import ListImpression, RewardChange
from recommender.requests.reward_evidence import MAX_EVIDENCE_ITEMS, SUMS, RewardEvidence

DAY_US = 86_400_000_000


def impression(item_id: str, *, at_us: int = 0, score: float = 0.5) -> ListImpression:
    return ListImpression(item_id=item_id, score=score, position=0.25, at_us=at_us)


def sums(at_us: int = 0) -> ItemSums:
    return ItemSums(half_life_s=86_400, at_us=at_us)


def row(evidence: RewardEvidence, item_id: str) -> dict[str, float]:
    values_ES = np.frombuffer(evidence.sums, "<f4").reshape(-1, len(SUMS))
    return dict(zip(SUMS, values_ES[evidence.ids.index(item_id)].tolist(), strict=True))


def test_the_columns_are_products_of_score_position_and_reward() -> None:
    found = sums()
    found.show(impression("a"))
    found.show(impression("a", score=-1.0))
    found.show(impression("b"))
    found.reward(RewardChange(shown=impression("a"), before=0, after=1))
    found.reward(RewardChange(shown=impression("a"), before=1, after=3))
    evidence = found.evidence()
    assert evidence.ids == ("a", "b")
    assert row(evidence, "a") == pytest.approx(
        {"n": 2, "s": -0.5, "p": 0.5, "ss": 1.25, "sp": -0.125, "pp": 0.125}
        | {"r": 3, "rs": 1.5, "rp": 0.75, "rr": 9}
    )


def test_what_was_shown_fades_with_its_reward() -> None:
    """A reward counts as much as the impression that it is for, however late it comes."""
    found = sums()
    found.show(impression("a"))
    found.fade(DAY_US)
    found.reward(RewardChange(shown=impression("a"), before=0, after=1))
    found.show(impression("b", at_us=DAY_US))
    assert row(found.evidence(), "a")["n"] == row(found.evidence(), "a")["r"] == 0.5
    assert row(found.evidence(), "b")["n"] == 1
    found.fade(20 * DAY_US)
    assert found.evidence().ids == ()


def test_only_the_items_shown_most_are_kept() -> None:
    found = sums()
    for number in range(MAX_EVIDENCE_ITEMS + 50):
        for _ in range(1 if number < 50 else 2):
            found.show(impression(f"i{number}"))
    found.fade(1)
    kept = found.evidence()
    assert len(kept.ids) == MAX_EVIDENCE_ITEMS
    assert "i0" not in kept.ids
    assert "i50" in kept.ids


def test_sums_go_on_from_what_was_stored() -> None:
    before = sums()
    before.show(impression("a"))
    again = sums()
    again.restore(before.evidence())
    assert again.evidence() == before.evidence()
    again.show(impression("b"))
    again.show(impression("a"))
    assert row(again.evidence(), "a")["n"] == 2
