"""Facts from records to releases: a full retrain, and an update with a new fact."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cron.cycle.cycle import run_cycle
from cron.cycle.release_files import bundle_of
from cron.ledger import release_rows
from cron.lineage import Lease, Run
from cron.services import Services
from recommender.bundle import Bundle, load_bundle
from recommender.config import FACTS
from recommender.lists.answer import answer_batch
from recommender.network.model import TwoTowers
from recommender.ranking.ranker import Ranker
from recommender.records.facts import Fact
from tests.workshop import (
    START,
    close_workshop,
    event_records,
    item_records,
    lease_of,
    open_workshop,
    send,
    small_settings,
)
from trainer.config import FactsConfig


@pytest.fixture
def knowing(tmp_path: Path) -> Iterator[Services]:
    """Return a workshop whose ranking reads facts, before its first release."""
    close_workshop(open_workshop(tmp_path))  # writes the text encoder
    settings = small_settings(Path((tmp_path / "encoder.txt").read_text()))
    train = replace(settings.train, facts=FactsConfig(width=4))
    services = open_workshop(tmp_path, settings=replace(settings, train=train))
    yield services
    close_workshop(services)


def fact(item: int, tail: str) -> Fact:
    return Fact(event_id=f"fact:{item}:{tail}", head=f"i{item}", relation="by", tail=tail, at=START)


def publish(services: Services, lease: Lease) -> tuple[Run, Bundle]:
    """Do a turn; return the run and the release, whose answers are those of the trainer."""
    run = run_cycle(services, lease)
    assert run.outcome == "published", run.reasons
    live = release_rows.live(services.ledger)
    assert live is not None
    folder = bundle_of(services.artifacts, services.paths.bundles, live.manifest)
    bundle = load_bundle(folder)
    probes = sorted(services.paths.runs.rglob("golden.json"), key=lambda path: path.stat().st_mtime)
    pairs = json.loads(probes[-1].read_text())
    answers = answer_batch(Ranker(bundle), [pair["request"] for pair in pairs])
    assert json.loads(json.dumps(answers)) == [pair["answer"] for pair in pairs]
    return run, bundle


def test_facts_are_learned_and_a_new_one_counts_in_an_update(knowing: Services) -> None:
    lease = lease_of(knowing.ledger)
    facts = [fact(number, f"maker{number % 2}") for number in range(10)]
    send(knowing, [*item_records(), *facts, *event_records(1, 400)])
    publish(knowing, lease)  # the baseline, which reads none
    run, full = publish(knowing, lease)
    assert [slot.name for slot in full.manifest.slots] == [FACTS]
    assert isinstance(full.model, TwoTowers)
    assert full.model.terms is not None
    assert full.model.terms.any(1).all()
    worth = {reason.name: reason.text for reason in run.reasons}
    assert "shuffling them among the items costs " in worth["modality_facts"]
    assert "modality_text" in worth
    send(knowing, [fact(2, "maker9"), fact(4, "maker9"), *event_records(401, 500)])
    run, update = publish(knowing, lease)
    assert run.mode == "update"
    names = list(update.term_names or ())
    assert names[: full.manifest.num_terms] == list(full.term_names or ())
    assert isinstance(update.model, TwoTowers)
    assert update.model.terms is not None
    assert update.model.terms[names.index("=maker9")].any(), "its items' events have taught it"
