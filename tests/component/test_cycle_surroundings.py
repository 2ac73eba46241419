"""The cycle when what is around it changes: memory goes, the program is upgraded."""

from __future__ import annotations

import pytest

from cron import outlook, stages
from cron.cycle import run_cycle
from cron.lineage import Lease, Run
from cron.parts import Parts
from recommender import bundle
from recommender.config import BUNDLE_FORMAT
from tests.workshop import event_records, live_version, send, server_of


def test_nothing_is_trained_for_which_there_is_no_memory(parts: Parts, lease: Lease) -> None:
    send(parts, event_records(401, 480))
    server = server_of(parts)
    server.left_bytes = 999
    run = run_cycle(parts, lease)
    assert (run.outcome, run.version, live_version(parts)) == ("failed", None, 1)
    assert set(run.seconds) == {"plan", "snapshot"}
    assert run.reasons[-1].name == "NoRoom"
    assert "lower release.keep_registered" in run.reasons[-1].text
    server.left_bytes = 1_000
    assert run_cycle(parts, lease).outcome == "published"
    assert live_version(parts) == 2


def test_a_version_that_finds_the_memory_taken_since_is_never_registered(
    parts: Parts, lease: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(parts, event_records(401, 480))
    server, train = server_of(parts), stages.train

    def train_while_memory_goes(parts: Parts, run: Run) -> stages.Output:
        server.left_bytes = 999
        return train(parts, run)

    monkeypatch.setattr(stages, "train", train_while_memory_goes)
    run = run_cycle(parts, lease)
    assert (run.outcome, run.version, live_version(parts)) == ("failed", 2, 1)
    assert run.reasons[-1].name == "NoRoom"
    assert [found.version for found in server.versions()] == [0, 1]


def test_after_an_upgrade_that_changed_the_bundles_a_full_retrain_goes_on(
    parts: Parts, lease: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (bundle, outlook, stages):
        monkeypatch.setattr(module, "BUNDLE_FORMAT", BUNDLE_FORMAT + 1)
    send(parts, event_records(401, 480))
    full = run_cycle(parts, lease)
    assert (full.mode, full.outcome, live_version(parts)) == ("full", "published", 2)
    names = [reason.name for reason in full.reasons]
    assert names[0] == "format_changed"
    assert {"ndcg_live", "ndcg_anchor"}.isdisjoint(names), "there was nothing to compare it with"
    send(parts, event_records(481, 560))
    update = run_cycle(parts, lease)
    assert (update.mode, update.outcome, live_version(parts)) == ("update", "published", 3)
