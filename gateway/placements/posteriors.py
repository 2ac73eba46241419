"""The newest posterior of item rewards, as the question to the model has it."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Protocol

from cron.ledger.posterior_rows import StoredPosterior
from gateway.model.questions import PosteriorQuestion
from recommender.requests.reward_evidence import RewardEvidence
from recommender.requests.wire import BadRequest


class ReadPosterior(Protocol):
    """Return the posterior; None if there is none of another version. It blocks."""

    def __call__(self, *, other_than: int = 0) -> StoredPosterior | None: ...


class Posteriors:
    """The posterior of this gateway. `refresh` blocks; the rest is for the event loop.

    Before the first one, lists are chosen by the prior alone.
    """

    def __init__(self, read: ReadPosterior) -> None:
        self._read = read
        self._version = 0
        self._at: datetime | None = None
        self.question = _question(RewardEvidence())

    def refresh(self) -> None:
        """Read another posterior; raise Unavailable or LedgerFailed, and keep the known."""
        found = self._read(other_than=self._version)
        if found is not None:
            question = _question(found.evidence)
            self.question, self._at = question, found.state.at
            self._version = found.state.version

    def refuse_earlier(self, at: datetime) -> None:
        """Raise BadRequest for a time before this posterior: earlier ones are not kept."""
        if self._at is not None and at < self._at:
            raise BadRequest(
                "policy",
                found="a policy that learns from rewards, at a time before its newest posterior",
                expected=f"now, or a time from {self._at.isoformat()} on: what it knew before that "
                "is not kept, and what it knows now includes what those lists earned",
            )


def _question(evidence: RewardEvidence) -> PosteriorQuestion:
    return PosteriorQuestion(
        id=evidence.digest,
        ids=evidence.ids,
        sums=base64.b64encode(evidence.sums).decode("ascii"),
    )
