"""What each modality of the items is worth to a candidate: reasons that never refuse it.

The candidate's ranking is compared with its own when a modality is shuffled among the items.
"""

from __future__ import annotations

from collections.abc import Set

from cron.gate.bootstrap import Interval
from cron.gate.comparison import ndcg_difference, restricted_to
from cron.gate.sanity import MIN_USERS
from cron.gate.wording import interval_reason, signed_text
from cron.lineage import Reason
from trainer.report import CANDIDATE, Evaluation

_NAMES = {"text": "texts", "picture": "pictures", "facts": "facts", "id": "ids"}


def modality_reasons(
    modalities: Evaluation | None, users: Set[str] | None, resamples: int
) -> list[Reason]:
    """Return a reason for each modality; none for fewer than MIN_USERS users or without events."""
    evaluation = restricted_to(modalities, users)
    if evaluation is None or len(evaluation.user_ids) < MIN_USERS:
        return []
    if not any(evaluation.num_events):
        return []
    return [
        _reason(name, ndcg_difference([evaluation], name, resamples))
        for name in evaluation.models
        if name != CANDIDATE
    ]


def _reason(name: str, worth: Interval) -> Reason:
    """Say what the ranking loses with a modality shuffled, and whether that is above zero.

    A loss means that this model uses it, not that a model without it would be worse.
    """
    verdict = "are used by the model" if worth.low > 0 else "do not pay for themselves"
    shown = _NAMES.get(name, f"vectors of {name}")
    text = (
        f"{shown} {verdict}: shuffling them among the items costs "
        f"{signed_text(worth.difference)} NDCG@10 "
        f"({signed_text(worth.low)} to {signed_text(worth.high)})"
    )
    return interval_reason(f"modality_{name}", text, worth, ok=True, limit=0.0)
