"""What shown items earned, as sums of each item: all that a posterior is computed from.

A row has the sums over the item's impressions, each weighted by its age:

    n   sum of weights      s   score       p   position
    ss  score * score       sp  score * position        pp  position * position
    r   reward              rs  reward * score          rp  reward * position
    rr  reward * reward

A score is the item's minus the mean of its list. A position is 1 / log2(1 + rank), ranks from 1.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

SUMS = ("n", "s", "p", "ss", "sp", "pp", "r", "rs", "rp", "rr")
MAX_EVIDENCE_ITEMS = 5_000  # together a third of a megabyte
ROW_BYTES = 4 * len(SUMS)


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardEvidence:
    """The items, and their rows of SUMS as little-endian float32, one after the other."""

    ids: tuple[str, ...] = ()
    sums: bytes = b""

    @property
    def digest(self) -> str:
        """The id of the posterior that follows from it: 32 hexadecimal digits."""
        content = hashlib.sha256(self.sums)
        for item_id in self.ids:
            content.update(f"{len(item_id)}:{item_id}".encode("utf-8", "surrogatepass"))
        return content.hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class PosteriorReference:
    """A posterior by its id, and its evidence where the question brings it along."""

    id: str
    evidence: RewardEvidence | None = None
