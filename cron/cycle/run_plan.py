"""The numbers that a run is about, settled once at its start: ranges, panel share, parent, anchor.

`cron.cycle.plan` chooses the mode; this settles what the mode means for the journal as it is now.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from cron.cycle.outlook import capped
from cron.ledger import holds, journal_rows, release_rows
from cron.lineage import Manifest, Range, Run
from cron.services import Services
from cron.snapshot.panel import PLAIN, Panel
from cron.snapshot.panel_choice import choose_panel_share
from cron.snapshot.panel_key import own_panel, panel_of
from trainer.config import Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """See the module's docstring. `fresh_range` holds the events that the live model never trained on and is scored by.

    `panel_share` and `panel_key` say who is kept out of training from now on, `judged_share` and
    `judged_key` who is scored: those whom none of the compared models was trained on either.
    `older_before` is the first number that the live model has not seen.
    """

    mode: Mode
    target_range: Range | None
    fresh_range: Range | None
    items_through: int
    trained_through: int
    panel_share: float
    excluded: tuple[Range, ...]
    parent: int | None
    anchor: int | None
    panel_key: str = PLAIN
    judged_share: float | None = None  # None: as the panel
    judged_key: str = PLAIN
    older_before: int | None = None

    @property
    def counted_range(self) -> Range | None:
        """The range whose events the snapshot holds: the targets; for a baseline, which trains on nothing but counts, all there are."""
        return (1, self.items_through) if self.mode == "baseline" else self.target_range


def settle(services: Services, run: Run) -> RunPlan:
    """Choose a run's numbers: `items` and `update` go on from the release that was live at its start, the others start anew.

    That release and no later one, whatever a person did meanwhile: its weights are what the
    snapshot holds, and what the switch compares.
    """
    assert run.mode is not None, "a run that was started has a mode"
    journal, last_seq = services.journal, journal_rows.last_seq(services.ledger)
    manifest = (
        release_rows.release(services.ledger, run.supersedes).manifest
        if run.supersedes is not None
        else None
    )
    excluded = holds.excluded_ranges(services.ledger)
    learned = manifest.trained_through if manifest is not None else 0
    unlearned = (max(learned + 1, journal.first_seq), last_seq)
    target: Range | None = None
    if run.mode == "full":
        target = (journal.first_seq, last_seq)
    elif run.mode == "update":
        target = capped(
            journal, unlearned, excluded, max_events=services.settings.worker.max_events_per_run
        )
    parent = manifest if run.mode in ("update", "items") else None
    panel = (
        panel_of(services.ledger, parent)
        if parent is not None
        else _new_panel(services, last_seq, excluded)
    )
    judged = _judged(
        panel, compared(services, run.supersedes, manifest.anchor if manifest is not None else None)
    )
    return RunPlan(
        mode=run.mode,
        target_range=target,
        fresh_range=_fresh_range(manifest, target, unlearned),
        items_through=last_seq,
        trained_through=target[1] if target is not None else learned,
        panel_share=panel.share,
        panel_key=panel.key,
        judged_share=judged.share,
        judged_key=judged.key,
        older_before=learned + 1 if manifest is not None and manifest.mode != "baseline" else None,
        excluded=excluded,
        parent=parent.version if parent is not None else None,
        anchor=manifest.anchor if manifest is not None else None,
    )


def compared(services: Services, live: int | None, anchor: int | None) -> tuple[Panel, ...]:
    """Return the panels of the models that a candidate is compared with; a baseline was trained on nobody."""
    versions = {version for version in (live, anchor) if version is not None}
    manifests = [
        release_rows.release(services.ledger, version).manifest for version in sorted(versions)
    ]
    return tuple(
        panel_of(services.ledger, manifest) for manifest in manifests if manifest.mode != "baseline"
    )


def _new_panel(services: Services, last_seq: int, excluded: tuple[Range, ...]) -> Panel:
    panel = own_panel(services.ledger, share=1.0)
    settings = services.settings
    share = choose_panel_share(
        services.journal, panel, settings.gate, settings.train, last_seq=last_seq, excluded=excluded
    )
    return replace(panel, share=share)


def _judged(panel: Panel, others: tuple[Panel, ...]) -> Panel:
    """Return whom all compared models and the candidate are judged by: the smallest of their panels.

    The others' key differs from the candidate's at the full retrain that takes the installation's
    secret: it is judged by the users whom the others know nothing of, and they are kept out of its
    training too.
    """
    key = others[0].key if others else panel.key
    return min((one for one in (panel, *others) if one.key == key), key=lambda one: one.share)


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
