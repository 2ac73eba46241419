"""The posterior that a gateway asks with: the one that is stored, newer or not."""

from __future__ import annotations

from datetime import UTC, datetime

from cron.ledger.posterior_rows import PosteriorState, StoredPosterior
from cron.ports import START
from gateway.placements.posteriors import Posteriors
from recommender.requests.reward_evidence import SUMS, RewardEvidence


class StoredOne:
    """A ledger with one posterior, which a restored backup replaces by an earlier one."""

    def __init__(self) -> None:
        self.version = 5

    def read(self, *, other_than: int = 0) -> StoredPosterior | None:
        if self.version == other_than:
            return None
        evidence = RewardEvidence(ids=(f"i{self.version}",), sums=bytes(4 * len(SUMS)))
        state = PosteriorState(
            version=self.version,
            at=datetime(2026, 3, 1, tzinfo=UTC),
            num_lists=1,
            num_rewards=1,
            num_items=1,
        )
        return StoredPosterior(state=state, cursor=START, evidence=evidence)


def test_a_restored_ledger_brings_back_its_posterior() -> None:
    """Otherwise lists would follow what the ledger has forgotten, until it has learned as much."""
    stored = StoredOne()
    posteriors = Posteriors(stored.read)
    posteriors.refresh()
    assert posteriors.question.ids == ("i5",)
    stored.version = 3
    posteriors.refresh()
    assert posteriors.question.ids == ("i3",)
    known = posteriors.question
    posteriors.refresh()
    assert posteriors.question is known
