"""What became of texts about items, for `status`, the status page and metrics.

It says who writes, which texts answers had, what writing cost of its budget, and what the verifier
rejected. Reads the ledger alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from cron.ledger import copy_cost_rows, wanted_rows, writer_rows
from cron.ledger.copy_cost_rows import CopyCost
from cron.ledger.ledger import Ledger
from cron.settings.copy_settings import CopySettings

DAY_H = 24
SOURCES = ("writer", "template", "editor")
AWAITS_RELEASE = (
    "the live writer is not that of today's settings, prompts and rules: nothing is written until "
    "you run: python -m cron copy release"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyReport:
    """Texts of the last 24 hours, this hour included; `rules` are counted since the beginning.

    `writer` is the live writer, None while templates alone are shown. `num_shown` is by source.
    """

    writer: str | None
    num_shown: Mapping[str, int]
    num_waiting: int  # briefs that a writer has not written yet
    of_day: CopyCost
    of_hour: CopyCost
    seconds_per_hour: float
    cost_per_hour: float | None
    rules: Mapping[str, int]
    awaits_release: bool = False

    @property
    def hit_share(self) -> float | None:
        """The share of shown texts that were ready; None if none was shown."""
        num_all = sum(self.num_shown.values())
        return None if num_all == 0 else 1 - self.num_shown["template"] / num_all

    @property
    def budget_used(self) -> float:
        """The share of the hour's budget that is used, of seconds or of money: what is more."""
        used = self.of_hour.seconds / self.seconds_per_hour if self.seconds_per_hour else 1.0
        if self.cost_per_hour is None:
            return used
        return max(used, self.of_hour.cost / self.cost_per_hour)

    @property
    def writing_line(self) -> str:
        """How much of the hour's budget is used, and why nothing is written, if so."""
        used = f"{self.budget_used:.0%} of the hour's budget used"
        if self.awaits_release:
            return f"{used}; {AWAITS_RELEASE}"
        return used if self.budget_used < 1 else f"{used}: nothing is written before the next hour"


def copy_report(
    ledger: Ledger, settings: CopySettings, *, awaits_release: bool = False
) -> CopyReport:
    """Read what became of texts; `awaits_release` if the settings name another writer."""
    live = None if settings.writer is None else writer_rows.live(ledger)
    shown = copy_cost_rows.shown_in(ledger, DAY_H)
    return CopyReport(
        writer=None if live is None else live.name,
        num_shown={source: shown.get(source, 0) for source in SOURCES},
        num_waiting=0 if settings.writer is None else wanted_rows.count(ledger),
        of_day=copy_cost_rows.last_hours(ledger, DAY_H),
        of_hour=copy_cost_rows.this_hour(ledger),
        seconds_per_hour=settings.seconds_per_hour,
        cost_per_hour=settings.cost_per_hour,
        rules=copy_cost_rows.by_rule(ledger),
        awaits_release=awaits_release,
    )


def copy_json(report: CopyReport) -> dict[str, object]:
    """Render the report as JSON values."""
    return {
        "writer": report.writer,
        "shown": dict(report.num_shown),
        "hit_share": report.hit_share,
        "waiting": report.num_waiting,
        "last_day": msgspec.to_builtins(report.of_day),
        "this_hour": {
            "seconds": report.of_hour.seconds,
            "cost": report.of_hour.cost,
            "seconds_budget": report.seconds_per_hour,
            "cost_budget": report.cost_per_hour,
            "used": report.budget_used,
        },
        "rules": dict(report.rules),
    }
