"""The cycle when what is around it changes: memory goes, a person decides, the program is upgraded."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from cron import outlook, release, stages, switches
from cron.cycle import run_cycle
from cron.lineage import Lease, Run, Switch, SwitchKind
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


class Person(threading.Event):
    """A `stop` in whose waits a person's process goes on with what it does."""

    def __init__(self, goes_on: Iterable[Callable[[], object]]) -> None:
        super().__init__()
        self._goes_on = list(goes_on)

    @property
    def is_done(self) -> bool:
        return not self._goes_on

    def wait(self, timeout: float | None = None) -> bool:
        if self._goes_on:
            self._goes_on.pop(0)()
        return self.is_set()


@pytest.mark.parametrize("kind", ["rollback", "promote"])
def test_a_person_who_is_loading_his_version_is_let_finish(parts: Parts, lease: Lease, kind: SwitchKind) -> None:
    parts.server.unregister(0)
    begun = begin(parts, kind)
    archive = parts.ledger.release(0).manifest.archive
    person = Person([lambda: None, lambda: parts.server.register(0, archive)])
    run_cycle(replace(parts, stop=person), lease)
    assert person.is_done
    assert server_of(parts).log.count("register 0") == 1
    release.carry_out(parts.ledger, parts.server, begun)  # it goes on, and finds it done
    assert live_version(parts) == 0


@pytest.mark.parametrize("kind", ["rollback", "promote"])
def test_what_a_person_left_begun_is_carried_out_after_a_while(parts: Parts, lease: Lease, kind: SwitchKind) -> None:
    """A single turn (`run-once`) has no other process to do it."""
    parts.server.unregister(0)
    begin(parts, kind)
    run_cycle(replace(parts, stop=Person(())), lease)
    assert live_version(parts) == 0


def test_a_worker_that_is_told_to_end_waits_for_no_person(parts: Parts, lease: Lease) -> None:
    parts.server.unregister(0)
    begun = begin(parts, "promote")
    parts.stop.set()
    run_cycle(parts, lease)
    assert parts.ledger.switching() == begun


def begin(parts: Parts, kind: SwitchKind) -> Switch:
    """Begin to go back to version 0, as a person's process does before it loads it; nothing is published afterwards."""
    parts.ledger.pause("x")
    if kind == "promote":
        return switches.begin_promote(parts.ledger, 0)
    return switches.begin_rollback(parts.ledger, 0, reason="x")


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
