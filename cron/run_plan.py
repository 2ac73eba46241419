"""The numbers that a run is about, settled once at its start: ranges, panel share, parent, anchor.

`cron.plan` chooses the mode; this settles what the mode means for the journal as it is now.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from cron.lineage import Manifest, Range, Run
from cron.outlook import capped
from cron.parts import Parts
from cron.snapshot import choose_panel_share
from trainer.config import Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """See the module's docstring. `fresh_range` holds the events that the live model never trained on and is scored by."""

    mode: Mode
    target_range: Range | None
    fresh_range: Range | None
    items_through: int
    trained_through: int
    panel_share: float
    excluded: tuple[Range, ...]
    parent: int | None
    anchor: int | None

    @property
    def counted_range(self) -> Range | None:
        """The range whose events the snapshot holds: the targets; for a baseline, which trains on nothing but counts, all there are."""
        return (1, self.items_through) if self.mode == "baseline" else self.target_range


def settle(parts: Parts, run: Run) -> RunPlan:
    """Choose a run's numbers: `items` and `update` go on from the release that was live at its start, the others start anew.

    That release and no later one, whatever a person did meanwhile: its weights are what the snapshot holds, and what the switch compares.
    """
    assert run.mode is not None, "a run that was started has a mode"
    journal, last_seq = parts.journal, parts.ledger.last_seq()
    manifest = parts.ledger.release(run.supersedes).manifest if run.supersedes is not None else None
    excluded = parts.ledger.excluded_ranges()
    learned = manifest.trained_through if manifest is not None else 0
    unlearned = (max(learned + 1, journal.first_seq), last_seq)
    target: Range | None = None
    if run.mode == "full":
        target = (journal.first_seq, last_seq)
    elif run.mode == "update":
        target = capped(journal, unlearned, excluded, max_events=parts.settings.worker.max_events_per_run)
    parent = manifest if run.mode in ("update", "items") else None
    share = parent.panel_share if parent is not None else choose_panel_share(journal, parts.settings.gate, last_seq=last_seq)
    return RunPlan(
        mode=run.mode,
        target_range=target,
        fresh_range=_fresh_range(manifest, target, unlearned),
        items_through=last_seq,
        trained_through=target[1] if target is not None else learned,
        panel_share=share,
        excluded=excluded,
        parent=parent.version if parent is not None else None,
        anchor=manifest.anchor if manifest is not None else None,
    )


def to_output(plan: RunPlan) -> dict[str, object]:
    """Make a plan JSON for the ledger."""
    values: dict[str, object] = json.loads(json.dumps(asdict(plan)))
    return values


def from_output(output: Mapping[str, object]) -> RunPlan:
    """Read a recorded plan."""
    plan = RunPlan(**output)  # type: ignore[arg-type]
    return replace(
        plan,
        target_range=_range(plan.target_range),
        fresh_range=_range(plan.fresh_range),
        excluded=tuple((first, last) for first, last in plan.excluded),
    )


def _range(raw: Range | None) -> Range | None:
    return (raw[0], raw[1]) if raw is not None else None


def _fresh_range(live: Manifest | None, target: Range | None, unlearned: Range) -> Range | None:
    """Return the new events that the live model is scored on before any training; a baseline's figure would say nothing."""
    if live is None or live.mode == "baseline" or target is None or unlearned[0] > unlearned[1]:
        return None
    return unlearned[0], min(unlearned[1], target[1])
