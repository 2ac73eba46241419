"""The plan of one run, made at its start: ranges, panel share, parent, anchor.

`cron.cycle.plan` chooses the mode; the run plan is what that mode means for the journal as it is
now.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from cron.cycle.outlook import capped_range
from cron.journal.journal import Journal
from cron.ledger import holds, journal_rows, picture_rows, release_rows
from cron.ledger.ledger import Ledger
from cron.lineage import Manifest, Range, Run
from cron.settings.tree import Settings
from cron.snapshot.panel import PLAIN, Panel
from cron.snapshot.panel_choice import choose_panel_share
from cron.snapshot.panel_key import own_panel, panel_of
from cron.snapshot.pools import JournalParts
from trainer.config import Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """The numbers of a run.

    `fresh_range` are the events that the live model never trained on and is scored on.
    `panel_share` and `panel_key` say who is kept out of training from now on. `judged_share` and
    `judged_key` say who is scored: users on whom none of the compared models was trained either.
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
    judged_share: float | None = None  # None: the same as the panel
    judged_key: str = PLAIN
    older_before: int | None = None
    # the changes of pictures that the parent has, and those that this run will have
    pictures_after: int = 0
    pictures_through: int = 0

    @property
    def counted_range(self) -> Range | None:
        """The range whose events the snapshot holds.

        A baseline trains on nothing but counts popularity over all events; the others hold their
        targets.
        """
        return (1, self.items_through) if self.mode == "baseline" else self.target_range


def make_plan(ledger: Ledger, journal: Journal, settings: Settings, run: Run) -> RunPlan:
    """Return the plan of a run.

    `items` and `update` continue from the release that was live at the run's start, the other modes
    start from scratch. It is that release whatever happened since: the snapshot holds its weights,
    and the switch compares with it.
    """
    assert run.mode is not None, "a run that was started has a mode"
    live = _manifest(ledger, run.supersedes)
    last_seq, excluded = journal_rows.last_seq(ledger), holds.excluded_ranges(ledger)
    learned = live.trained_through if live is not None else 0
    unlearned = (max(learned + 1, journal.first_seq), last_seq)
    target: Range | None = None
    if run.mode == "full":
        target = (journal.first_seq, last_seq)
    elif run.mode == "update":
        max_events = settings.worker.max_events_per_run
        target = capped_range(journal, unlearned, excluded, max_events=max_events)
    parent = live if run.mode in ("update", "items") else None
    anchor = live.anchor if live is not None else None
    if parent is not None:
        panel = panel_of(ledger, parent)
    else:
        panel = _new_panel(ledger, journal, settings, last_seq=last_seq, excluded=excluded)
    judged = _judged_panel(panel, compared_panels(ledger, run.supersedes, anchor))
    return RunPlan(
        mode=run.mode,
        target_range=target,
        fresh_range=_fresh_range(live, target, unlearned),
        items_through=last_seq,
        trained_through=target[1] if target is not None else learned,
        panel_share=panel.share,
        panel_key=panel.key,
        judged_share=judged.share,
        judged_key=judged.key,
        older_before=learned + 1 if live is not None and live.mode != "baseline" else None,
        excluded=excluded,
        parent=parent.version if parent is not None else None,
        anchor=anchor,
        pictures_after=parent.pictures_through if parent is not None else 0,
        pictures_through=picture_rows.num_changes(ledger),
    )


def compared_panels(ledger: Ledger, live: int | None, anchor: int | None) -> tuple[Panel, ...]:
    """Return the panels of the models that a candidate is compared with.

    A baseline has none: it was trained on nobody.
    """
    panels = []
    for version in sorted({version for version in (live, anchor) if version is not None}):
        manifest = release_rows.release(ledger, version).manifest
        if manifest.mode != "baseline":
            panels.append(panel_of(ledger, manifest))
    return tuple(panels)


def _manifest(ledger: Ledger, version: int | None) -> Manifest | None:
    return release_rows.release(ledger, version).manifest if version is not None else None


def _new_panel(
    ledger: Ledger,
    journal: Journal,
    settings: Settings,
    *,
    last_seq: int,
    excluded: tuple[Range, ...],
) -> Panel:
    panel = own_panel(ledger, share=1.0)
    parts = JournalParts.of(journal, last_seq, excluded=excluded)
    share = choose_panel_share(parts, panel, settings.gate, settings.train)
    return replace(panel, share=share)


def _judged_panel(panel: Panel, others: tuple[Panel, ...]) -> Panel:
    """Return the smallest panel of the candidate and the compared models.

    At the full retrain that takes the installation's secret, the others' key differs from the
    candidate's. That candidate is judged on the users on whom the others were not trained, and they
    are kept out of its training too.
    """
    key = others[0].key if others else panel.key
    return min((one for one in (panel, *others) if one.key == key), key=lambda one: one.share)


def _fresh_range(live: Manifest | None, target: Range | None, unlearned: Range) -> Range | None:
    """Return the new events that the live model is scored on before any training.

    A baseline is not scored: its metrics would mean nothing.
    """
    if live is None or live.mode == "baseline" or target is None or unlearned[0] > unlearned[1]:
        return None
    return unlearned[0], min(unlearned[1], target[1])
