"""What is held of users: events in the journal, and which releases were trained on them.

Weights cannot tell what they learned, but the ledger has the journal numbers they were trained on.
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
class HeldData:
    """What is held of one user before anything is erased.

    `num_trained` counts the events in the ranges that the live release was trained on. It is an
    upper bound, because panel users are never trained on. `releases` are the kept releases with
    such events. `may_hold_erased`: the user was forgotten before, and the full retrain that the
    live release descends from is older than that erasure.
    """

    num_events: int
    num_trained: int
    live: int | None
    releases: tuple[int, ...]
    may_hold_erased: bool


def held_data(services: Services, user_ids: Sequence[str]) -> dict[str, HeldData]:
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
    found: dict[str, HeldData] = {}
    for user_id, seq_N in numbers.items():
        trained = {
            version: _num_trained(releases, version, seq_N)
            for version in {*kept, *([live] if live is not None else [])}
        }
        found[user_id] = HeldData(
            num_events=len(seq_N),
            num_trained=trained.get(live, 0) if live is not None else 0,
            live=live,
            releases=tuple(version for version in sorted(kept) if trained[version]),
            may_hold_erased=_may_hold_erased(releases, live, marks.get(keys.of_user(user_id))),
        )
    return found


def full_retrain_due(ledger: Ledger, every_s: float) -> datetime | None:
    """Return when the next full retrain is due; None if there was none, so it is the next run."""
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
    """Return whether the live release may have learned from what was erased."""
    anchor = releases[live].anchor if live is not None else None
    if mark is None or anchor is None:
        return False
    return mark.erased_at is None or releases[anchor].created_at < mark.erased_at


def _num_trained(releases: Mapping[int, Manifest], version: int, seq_N: Numbers) -> int:
    trained_N = in_ranges(seq_N, trained_ranges(releases, version))
    return int(np.count_nonzero(trained_N & ~in_ranges(seq_N, releases[version].excluded)))
