"""Questions with the policies that learn from rewards, and the evidence that they bring."""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping

from recommender.requests.reward_evidence import SUMS, RewardEvidence


def evidence(rewards: Mapping[str, tuple[float, float]]) -> RewardEvidence:
    """Return evidence of items' impressions and rewards of 1, with scores of ±1 in halves."""
    sums = b""
    for shown, clicked in rewards.values():
        row = {"n": shown, "ss": shown, "p": shown / 2, "pp": shown / 4, "r": clicked}
        row |= {"rr": clicked, "rp": clicked / 2, "rs": 0.05 * clicked}
        sums += struct.pack(f"<{len(SUMS)}f", *(row.get(name, 0.0) for name in SUMS))
    return RewardEvidence(ids=tuple(rewards), sums=sums)


def learning_policy(
    of: RewardEvidence, *, name: str = "thompson", is_whole: bool = True, **more: object
) -> dict[str, object]:
    """Return the policy of a question, with its whole posterior or the id alone."""
    posterior: dict[str, object] = {"id": of.digest}
    if is_whole:
        posterior |= {"ids": [*of.ids], "sums": base64.b64encode(of.sums).decode()}
    strength = {"width": 1.0} if name == "ucb" else {}
    return {"name": name, "seed": 7, "posterior": posterior, **strength, **more}
