"""Ruined candidates through the real cycle: each is refused for its reason."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import torch

from cron.cycle.cycle import run_cycle
from cron.ledger import release_rows
from cron.services import Services
from cron.settings.tree import GateSettings
from recommender.bundle import Bundle, bundle_digest, load_bundle, save_bundle
from recommender.ranking.ranker import Ranker
from tests.planted import towers_of
from tests.workshop import (
    HereLauncher,
    close_workshop,
    event_records,
    item_records,
    lease_of,
    open_workshop,
    send,
    with_gate,
)
from trainer.config import TrainConfig
from trainer.data.dataset import read_events
from trainer.evaluation.evaluate import evaluate, scored_events
from trainer.evaluation.golden import write_golden
from trainer.report import Evaluation, read_report, write_report

# 13 users are few, so the tolerances are wide; a ruin loses far more.
GATE = GateSettings(
    min_users=10,
    min_events=150,
    min_panel_share=0.2,
    resamples=500,
    live_tolerance=0.15,
    anchor_tolerance=0.15,
    older_tolerance=0.15,
    rating_tolerance=0.1,
    probe_p99_ms=60_000,
)


@pytest.fixture(scope="module")
def trained_services(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    services = with_gate(open_workshop(folder), GATE)
    lease = lease_of(services.ledger)
    send(services, [*item_records(), *event_records(1, 900)])
    runs = [run_cycle(services, lease) for _ in range(2)]
    assert [(run.mode, run.outcome) for run in runs] == [
        ("baseline", "published"),
        ("full", "published"),
    ], runs[-1].reasons
    send(services, event_records(901, 1020))
    close_workshop(services)
    return folder


@pytest.fixture
def services(services: Services) -> Services:
    return with_gate(services, GATE)


class Ruiner(HereLauncher):
    """Trains honestly, then damages the bundle and evaluates what is left of it."""

    def __init__(self, texts: Path, spoil: Callable[[Bundle], Bundle]) -> None:
        super().__init__(texts)
        self._spoil = spoil

    def train(self, snapshot: Path, config: TrainConfig, out: Path, *, limit_s: float) -> Path:
        super().train(snapshot, config, out, limit_s=limit_s)
        honest = load_bundle(out / "bundle")
        spoilt = self._spoil(honest)
        shutil.move(out / "bundle", out / "honest")
        save_bundle(replace(spoilt, folder=out / "honest"), out / "bundle")
        ranker = Ranker(load_bundle(out / "bundle"))
        panel, older = (read_events(snapshot / name) for name in ("panel.parquet", "older.parquet"))
        rankers = {"candidate": ranker, "live": Ranker(load_bundle(snapshot / "live"))}
        scored = [scored_events(events, config, newest=None) for events in (panel, older)]
        found: list[Evaluation | None] = []
        for one in scored:
            found.append(None if one is None else evaluate(one, rankers, baselines_of=ranker))
        report = read_report(out / "report.json")
        finite = all(bool(tensor.isfinite().all()) for tensor in spoilt.model.state_dict().values())
        write_report(
            replace(
                report,
                panel=found[0],
                older=found[1],
                finite_weights=finite,
                bundle_digest=bundle_digest(out / "bundle"),
            ),
            out / "report.json",
        )
        write_golden(ranker, panel, out / "golden.json")
        return out


class Flipper(HereLauncher):
    """Trains on ratings turned upside down: what was a five is a two."""

    def train(self, snapshot: Path, config: TrainConfig, out: Path, *, limit_s: float) -> Path:
        file = snapshot / "events.parquet"
        events = pq.read_table(file)
        column = events.schema.get_field_index("rating")
        flipped = pc.cast(pc.subtract(7.0, events["rating"]), pa.float32())
        pq.write_table(events.set_column(column, events.schema.field(column), flipped), file)
        return super().train(snapshot, config, out, limit_s=limit_s)


@torch.no_grad()
def shuffle(bundle: Bundle) -> Bundle:
    """Give every item another one's vectors."""
    order = torch.randperm(len(bundle.catalogue), generator=torch.Generator().manual_seed(0))
    towers_of(bundle).table.copy_(towers_of(bundle).table[order].clone())
    return replace(bundle, facts=replace(bundle.facts, texts_NT=bundle.facts.texts_NT[order]))


@torch.no_grad()
def not_a_number(bundle: Bundle) -> Bundle:
    """Let one weight be NaN."""
    towers_of(bundle).table[3, 1] = float("nan")
    return bundle


@torch.no_grad()
def popular_only(bundle: Bundle) -> Bundle:
    """Take away everything but popularity."""
    for weights in (
        towers_of(bundle).table,
        towers_of(bundle).adapter.weight,
        towers_of(bundle).adapter.bias,
    ):
        weights.zero_()
    towers_of(bundle).popularity_weight.fill_(1.0)
    return bundle


def refusals(services: Services, launcher: HereLauncher, *, full: bool = False) -> list[str]:
    """Run a turn with that launcher; check that nothing changed, and return the failed tests."""
    before = (
        release_rows.live(services.ledger),
        services.server.versions(),
        services.artifacts.names(),
    )
    run = run_cycle(
        replace(services, launcher=launcher), lease_of(services.ledger), force_full=full
    )
    assert run.outcome == "refused", [reason.text for reason in run.reasons]
    new = [name for name in services.artifacts.names() if name not in before[2]]
    assert (release_rows.live(services.ledger), services.server.versions()) == before[:2]
    assert all(name.startswith("journal/") for name in new)
    assert services.server.live() == 1
    return [reason.name for reason in run.reasons if not reason.ok]


def test_an_honest_update_is_accepted(services: Services) -> None:
    run = run_cycle(services, lease_of(services.ledger))
    assert (run.mode, run.outcome) == ("update", "published"), [
        reason.text for reason in run.reasons
    ]


def test_shuffled_embeddings_are_refused(services: Services) -> None:
    assert "ndcg_live" in refusals(services, Ruiner(services.paths.texts, shuffle))


def test_a_weight_that_is_not_a_number_is_refused(services: Services) -> None:
    assert "finite_weights" in refusals(services, Ruiner(services.paths.texts, not_a_number))


def test_a_popularity_only_ranker_is_refused(services: Services) -> None:
    assert "ndcg_popularity" in refusals(services, Ruiner(services.paths.texts, popular_only))


def test_flipped_labels_are_refused(services: Services) -> None:
    assert "rmse_live" in refusals(services, Flipper(services.paths.texts), full=True)
