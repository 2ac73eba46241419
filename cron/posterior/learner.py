"""Keeps the posterior up to date with the event log, a few seconds behind it.

It reads the log by a cursor of its own, which is stored with the sums. After a restart it goes on
from there, and the lists that it had counted before, whose events still count, come from the
journal. It runs only while a placement or an arm chooses by the posterior.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from datetime import timedelta

from cron.epoch import micros
from cron.errors import FreshetError, LogGap
from cron.ledger import experiment_rows, journal_rows, placement_rows, posterior_rows
from cron.ledger.ledger import Ledger
from cron.ledger.posterior_rows import PosteriorState, StoredPosterior
from cron.lineage import Lease
from cron.placement import Placement
from cron.ports import Batch, Cursor, EventLog
from cron.posterior.item_sums import ItemSums
from cron.posterior.open_lists import OpenLists
from cron.settings.tree import Settings
from cron.slates.slate_store import SlateStore
from recommender.records.events import Event
from recommender.requests.list_policy import learns_from_rewards

BATCH_RECORDS = 5_000
MAX_BATCHES = 20  # of one turn, so that what was read is stored now and then

log = logging.getLogger(__name__)


class PosteriorLearner:
    """One worker's; `update` is called again and again by one thread."""

    def __init__(
        self, settings: Settings, ledger: Ledger, event_log: EventLog, slates: SlateStore
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._log = event_log
        self._slates = slates
        self._lease: Lease | None = None  # under which the state below was read
        self._stored: StoredPosterior | None = None
        self._cursor = Cursor("")
        self._lists = OpenLists(settings.reward)
        self._sums = self._no_sums()
        self._num_lists = self._num_rewards = 0

    def update(self, lease: Lease) -> bool:
        """Read what is new in the log; return whether the posterior changed and was stored.

        Raise LeaseLost.
        """
        if not self._is_wanted():
            self._lease = None  # what comes meanwhile is read later, as after a restart
            return False
        if self._lease != lease:
            self._load()
            self._lease = lease
        num_before = self._num_lists + self._num_rewards
        for _ in range(MAX_BATCHES):
            if not self._read_batch():
                break
        is_same = self._num_lists + self._num_rewards == num_before
        try:
            if self._stored is not None and is_same:
                posterior_rows.store_cursor(self._ledger, self._cursor, lease=lease)
                return False
            self._store(lease)
        except FreshetError:
            self._lease = None  # read it all again
            raise
        return True

    def _is_wanted(self) -> bool:
        if not self._settings.slates.record:
            return False
        by_name = {**self._settings.placements, **placement_rows.every(self._ledger)}
        return any(map(_learns, by_name.values())) or any(
            map(_learns, _arms(self._ledger, by_name))
        )

    def _load(self) -> None:
        """Take what is stored; without it, begin with what the journal has not collected yet."""
        stored = posterior_rows.newest(self._ledger)
        self._lists, self._sums = OpenLists(self._settings.reward), self._no_sums()
        self._stored, self._num_lists, self._num_rewards = stored, 0, 0
        if stored is None:
            self._cursor = journal_rows.log_cursor(self._ledger)
            return
        self._cursor = stored.cursor
        self._num_lists, self._num_rewards = stored.state.num_lists, stored.state.num_rewards
        self._sums = self._no_sums(at_us=micros(stored.state.at))
        self._sums.restore(stored.evidence)
        window = timedelta(seconds=self._settings.reward.window_s)
        for slate in self._slates.since(self._ledger.now() - window):
            if slate.at <= stored.state.at:  # the others are in the log after the cursor
                self._lists.add(slate)

    def _read_batch(self) -> bool:
        """Read a batch; return whether there may be more."""
        try:
            batch = self._log.read(self._cursor, BATCH_RECORDS)
        except LogGap:
            # the log was trimmed meanwhile: what it had is in the training's evidence alone
            self._cursor = self._log.give_up(self._cursor)
            log.warning("the posterior has missed a part of the log")
            return True
        if batch.cursor == self._cursor:
            return False
        self._take(batch)
        self._cursor = batch.cursor
        return True

    def _take(self, batch: Batch) -> None:
        self._sums.fade(self._now_us())
        for slate in batch.slates:
            shown = self._lists.add(slate)
            self._num_lists += bool(shown)
            for item in shown:
                self._sums.show(item)
        now_us = self._now_us()
        changes = [*self._lists.rewards_of_early_events(now_us)]
        for record in batch.records:
            if isinstance(record, Event):
                changes.extend(self._lists.reward(record, at_us=now_us))
        for change in changes:
            self._sums.reward(change)
        self._num_rewards += len(changes)
        self._lists.close_before(now_us)

    def _store(self, lease: Lease) -> None:
        now = self._ledger.now()
        self._sums.fade(micros(now))
        evidence = self._sums.evidence()
        version = 1 if self._stored is None else self._stored.state.version + 1
        state = PosteriorState(
            version=version,
            at=now,
            num_lists=self._num_lists,
            num_rewards=self._num_rewards,
            num_items=len(evidence.ids),
        )
        stored = StoredPosterior(state=state, cursor=self._cursor, evidence=evidence)
        posterior_rows.store(self._ledger, stored, lease=lease)
        self._stored = stored

    def _no_sums(self, *, at_us: int | None = None) -> ItemSums:
        return ItemSums(
            half_life_s=self._settings.posterior.half_life_s,
            at_us=self._now_us() if at_us is None else at_us,
        )

    def _now_us(self) -> int:
        return micros(self._ledger.now())


def _learns(placement: Placement) -> bool:
    return placement.policy is not None and learns_from_rewards(placement.policy.name)


def _arms(ledger: Ledger, by_name: Mapping[str, Placement]) -> Iterator[Placement]:
    """Yield the placements that the arms of running experiments make."""
    for experiment in experiment_rows.running(ledger):
        name = experiment.draft.placement
        for arm in experiment.draft.arms:
            yield arm.apply(by_name.get(name) if name is not None else None)
