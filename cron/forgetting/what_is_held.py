"""What is held of users: events in the journal, and which releases were trained on them.

Weights can't be asked what they learned; what they were trained on is in the ledger, by journal
numbers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pyarrow.compute as pc

from cron.ledger import forgotten, release_rows, run_rows, switches
from cron.ledger.forgotten import Mark
from cron.ledger.ledger import Ledger
from cron.lineage import Manifest, trained_ranges
from cron.services import Services
from cron.snapshot.timeline import Numbers, in_ranges


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What is held of one user, before anything is erased.

    `num_trained` counts the events in the ranges that the live release was trained on; a user of
    the panel is in none of its trainings, so that it is the most that the weights can have learned
    from. `releases` are those with such events whose archives are kept. `may_hold_erased`: the user
    was forgotten before, and the full retrain from which the live release descends was made before
    that was erased.
    """

    num_events: int
    num_trained: int
    live: int | None
    releases: tuple[int, ...]
    may_hold_erased: bool


def held(services: Services, user_ids: Sequence[str]) -> dict[str, Held]:
    """Return what is held of each user; reads the whole journal once."""
    numbers = _numbers(services, user_ids)
    keys = forgotten.keys_of(services.ledger)
    marks = {
        mark.user_key: mark
        for mark in forgotten.among(
            services.ledger, [keys.of_user(user_id) for user_id in user_ids]
        )
    }
    releases = {one.version: one.manifest for one in release_rows.newest_releases(services.ledger)}
    kept = [one.version for one in release_rows.kept_releases(services.ledger)]
    live = switches.serving(services.ledger).live
    found: dict[str, Held] = {}
    for user_id, seq_N in numbers.items():
        trained = {
            version: _num_trained(releases, version, seq_N)
            for version in {*kept, *([live] if live is not None else [])}
        }
        found[user_id] = Held(
            num_events=len(seq_N),
            num_trained=trained.get(live, 0) if live is not None else 0,
            live=live,
            releases=tuple(version for version in sorted(kept) if trained[version]),
            may_hold_erased=_may_hold_erased(releases, live, marks.get(keys.of_user(user_id))),
        )
    return found


def full_retrain_due(ledger: Ledger, every_s: float) -> datetime | None:
    """Return when the next full retrain begins at the latest; None when there was none yet, and the next run is one."""
    last = run_rows.last_full(ledger)
    return last.started_at + timedelta(seconds=every_s) if last is not None else None


def _numbers(services: Services, user_ids: Collection[str]) -> dict[str, Numbers]:
    table = services.journal.read(1, services.journal.last_seq, columns=["seq", "user_id"])
    found: dict[str, Numbers] = {}
    for user_id in user_ids:
        found[user_id] = table.filter(pc.fill_null(pc.equal(table["user_id"], user_id), False))[
            "seq"
        ].to_numpy()
    return found


def _may_hold_erased(releases: Mapping[int, Manifest], live: int | None, mark: Mark | None) -> bool:
    """Tell whether the live release may have learned from what was erased; no run is under way while something is."""
    anchor = releases[live].anchor if live is not None else None
    if mark is None or anchor is None:
        return False
    return mark.erased_at is None or releases[anchor].created_at < mark.erased_at


def _num_trained(releases: Mapping[int, Manifest], version: int, seq_N: Numbers) -> int:
    trained_N = in_ranges(seq_N, trained_ranges(releases, version))
    return int(np.count_nonzero(trained_N & ~in_ranges(seq_N, releases[version].excluded)))
