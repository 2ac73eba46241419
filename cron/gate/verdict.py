"""The value of a verdict: the reasons that the gate leaves, and the candidate's metrics."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from cron.lineage import Reason


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The result of the gate's tests. `metrics` go into the manifest and the status page."""

    reasons: tuple[Reason, ...]
    metrics: Mapping[str, float] = msgspec.field(name="figures")

    @property
    def is_accepted(self) -> bool:
        """Whether every test was passed."""
        return all(reason.ok for reason in self.reasons)
