"""The whole trainer on planted data: it finds what was planted, in every mode."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from recommender.bundle import bundle_digest, load_bundle, save_bundle
from recommender.catalogue.item_columns import CatalogueItem
from recommender.config import EncoderConfig
from recommender.lists.answer import answer_batch
from recommender.ranking.history_columns import HistoryElement
from recommender.ranking.ranker import Ranker
from tests.component.training import NAMELESS, new_rows, report, train
from tests.planted import (
    PANEL_SHARE,
    PlantedRow,
    in_panel,
    planted_items,
    planted_rows,
    towers_of,
    write_planted_snapshot,
    write_rows,
)
from trainer.candidate import Job, make_candidate
from trainer.config import TrainConfig
from trainer.data.dataset import read_events


def panel_mean(candidate: Path, model: str) -> float:
    panel = report(candidate).panel
    assert panel is not None
    ndcg = panel.models[model].ndcg
    return sum(ndcg) / len(ndcg)


def rmse(candidate: Path, model: str) -> float:
    panel = report(candidate).panel
    assert panel is not None
    errors = [error for error in panel.models[model].squared_error if error is not None]
    return float((sum(errors) / len(errors)) ** 0.5)


def test_what_was_planted_is_found(full: Path) -> None:
    assert panel_mean(full, "candidate") > 1.4 * panel_mean(full, "popularity")
    assert rmse(full, "candidate") < 0.8 * rmse(full, "biases")
    ranker = Ranker(load_bundle(full / "bundle"))
    history = [
        HistoryElement(row=ranker.catalogue.row(f"i{number}"), type="rating", rating=4.0)
        for number in (0, 2, 4, 6)
    ]
    users = ranker.user_states([history])
    rows = ranker.top_k(ranker.scores(users), [8], [None], [()])[0][0]
    assert sum(int(ranker.catalogue[row].item_id[1:]) % 2 == 0 for row in rows) >= 7


def test_choices_predict_the_rating_of_an_unseen_text(
    full: Path,
) -> None:
    ranker = Ranker(load_bundle(full / "bundle"))
    histories = [
        [HistoryElement(row=ranker.catalogue.row(f"i{number}")) for number in range(parity, 16, 2)]
        for parity in (0, 1)
    ]
    texts_KT = ranker.text_vectors(["Something new. even calm blue", "Something new. odd loud red"])
    (even_by_even, odd_by_even), (even_by_odd, odd_by_odd) = ranker.text_ratings(
        ranker.user_states(histories), texts_KT.expand(2, -1, -1)
    )
    assert even_by_even > odd_by_even + 0.2
    assert odd_by_odd > even_by_odd + 0.2


def test_the_lstm_finds_it_too(tmp_path: Path, config: TrainConfig) -> None:
    config = replace(config, model=replace(config.model, tower="lstm"))
    candidate = train(tmp_path, write_planted_snapshot(tmp_path / "snapshot"), config)
    assert panel_mean(candidate, "candidate") > 1.3 * panel_mean(candidate, "popularity")


def test_a_candidate_holds_what_the_contract_says(full: Path) -> None:
    assert {path.name for path in full.iterdir()} == {
        "bundle",
        "state",
        "report.json",
        "golden.json",
    }
    assert (full / "bundle" / "encoder" / "model.safetensors").exists()
    made = report(full)
    assert made.bundle_digest == bundle_digest(full / "bundle")
    assert made.finite_weights
    assert made.mode == "full"
    assert len(made.losses) == 12
    assert made.losses[-1] < made.losses[0]
    assert made.rating_scale == (2.0, 4.5)
    assert made.num_items == 40
    assert len(made.popular) == 40
    assert set(made.panel.models) == {"candidate", "popularity", "biases"} if made.panel else False
    assert {"read", "encode", "train", "evaluate"} <= set(made.seconds)


def test_golden_answers_are_those_of_the_saved_bundle(full: Path) -> None:
    pairs = json.loads((full / "golden.json").read_text())
    assert 10 <= len(pairs) <= 20
    assert pairs[-1]["request"]["user_seq"] == ["a text that is no title here"]
    answers = answer_batch(
        Ranker(load_bundle(full / "bundle")), [pair["request"] for pair in pairs]
    )
    assert [pair["answer"] for pair in pairs] == json.loads(json.dumps(answers))


def test_panel_users_and_their_items_leave_no_trace(tmp_path: Path, config: TrainConfig) -> None:
    panel_user = next(f"u{number}" for number in range(60) if in_panel(f"u{number}", PANEL_SHARE))
    late = PlantedRow(
        seq=10_000,
        user_id=panel_user,
        item_id="from the future",
        at_us=2_000_000_000_000_000,
        rating=5.0,
    )
    candidate = train(
        tmp_path,
        write_planted_snapshot(tmp_path / "snapshot", rows=[*planted_rows(), late]),
        replace(config, full_epochs=1),
    )
    bundle = load_bundle(candidate / "bundle")
    assert bundle.catalogue.row("from the future") is None
    assert bundle.counts_N.sum() == sum(not in_panel(row.user_id) for row in planted_rows())
    assert bundle.manifest.rating_scale == (2.0, 4.5)


def test_a_rating_off_the_scale_stretches_it_for_nobody(
    tmp_path: Path, full: Path, config: TrainConfig
) -> None:
    user = next(f"u{number}" for number in range(60) if not in_panel(f"u{number}"))
    mistakes = [
        PlantedRow(
            seq=10_000 + at, user_id=user, item_id="i1", at_us=2 * 10**15 + at, rating=rating
        )
        for at, rating in enumerate((1e6, -5.0))
    ]
    rows = [*planted_rows(), *mistakes]
    quick = replace(config, full_epochs=1)
    fresh = load_bundle(
        train(tmp_path, write_planted_snapshot(tmp_path / "fresh", rows=rows), quick, name="full")
        / "bundle"
    )
    update = write_planted_snapshot(
        tmp_path / "more", mode="update", rows=mistakes, live=full / "bundle", state=full / "state"
    )
    updated = train(tmp_path, update, config, name="update")
    for bundle in (fresh, load_bundle(updated / "bundle")):
        assert bundle.manifest.rating_scale == (2.0, 4.5)
        assert bundle.facts.rating_sum_N.abs().max() < 100.0
    before = load_bundle(full / "bundle").facts
    assert report(updated).finite_weights
    assert (
        load_bundle(updated / "bundle").facts.rating_count_N.sum()
        == before.rating_count_N.sum() + 2
    )


def test_a_scale_grows_by_what_more_than_a_thousandth_gave(
    tmp_path: Path, full: Path, config: TrainConfig
) -> None:
    user = next(f"u{number}" for number in range(60) if not in_panel(f"u{number}"))
    lower = [
        PlantedRow(
            seq=10_000 + at, user_id=user, item_id=f"i{at}", at_us=2 * 10**15 + at, rating=1.0
        )
        for at in range(5)
    ]
    update = write_planted_snapshot(
        tmp_path / "more", mode="update", rows=lower, live=full / "bundle", state=full / "state"
    )
    assert report(train(tmp_path, update, config)).rating_scale == (1.0, 4.5)


def test_evaluation_and_serving_rank_alike(tmp_path: Path, full: Path, config: TrainConfig) -> None:
    ranker = Ranker(load_bundle(full / "bundle"))
    events = [
        PlantedRow(
            seq=seq,
            user_id="p",
            item_id=f"i{item}",
            at_us=10**15 + seq * 10**6,
            rating=4.0,
            role="context",
        )
        for seq, item in enumerate((0, 2, 4, 5), start=1)
    ]
    history = [
        {"id": row.item_id, "type": "rating", "rating": 4.0, "at": row.at_us / 1e6}
        for row in events
    ]
    (answer,) = answer_batch(ranker, [{"user_seq": history, "k": 10, "exclude_seen": True}])
    assert isinstance(answer, dict)
    served = [item["id"] for item in json.loads(json.dumps(answer))["items"]]
    snapshot = write_planted_snapshot(tmp_path / "snapshot", mode="items", live=full / "bundle")
    write_rows(
        snapshot / "panel.parquet",
        [
            *events,
            PlantedRow(seq=9, user_id="p", item_id=str(served[2]), at_us=2 * 10**15, role="score"),
        ],
    )
    assert panel_mean(train(tmp_path, snapshot, config), "live") == pytest.approx(0.5)


def test_a_shops_first_ratings_set_the_mean(tmp_path: Path, config: TrainConfig) -> None:
    config = replace(config, full_epochs=1, update_epochs=1)
    clicks = [replace(row, rating=None, type="click") for row in planted_rows()]
    candidate = train(
        tmp_path / "1",
        write_planted_snapshot(tmp_path / "1" / "s", rows=clicks, items=NAMELESS),
        config,
    )
    for number, rows in ((2, clicks[:50]), (3, planted_rows()[:50])):
        folders = {"live": candidate / "bundle", "state": candidate / "state"}
        folder = tmp_path / str(number)
        candidate = train(
            folder,
            write_planted_snapshot(folder / "s", mode="update", rows=rows, items=[], **folders),
            config,
        )
    given = [
        row.rating
        for row in planted_rows()[:50]
        if not in_panel(row.user_id) and row.rating is not None
    ]
    assert load_bundle(candidate / "bundle").model.rating_mean.item() == pytest.approx(
        sum(given) / len(given)
    )


def test_context_alone_teaches_nothing(tmp_path: Path, full: Path, config: TrainConfig) -> None:
    rows = [replace(row, role="context") for row in new_rows(50)]
    snapshot = write_planted_snapshot(
        tmp_path / "snapshot", mode="update", rows=rows, live=full / "bundle"
    )
    bundle, live = (
        load_bundle(train(tmp_path, snapshot, config) / "bundle"),
        load_bundle(full / "bundle"),
    )
    assert torch.equal(towers_of(bundle).table[:40], towers_of(live).table)
    assert torch.equal(bundle.counts_N[:40], live.counts_N)


def test_a_baseline_needs_no_training(tmp_path: Path, config: TrainConfig) -> None:
    candidate = train(
        tmp_path, write_planted_snapshot(tmp_path / "snapshot", mode="baseline"), config
    )
    assert load_bundle(candidate / "bundle").manifest.model.tower == "baseline"
    assert list((candidate / "state").iterdir()) == []
    assert report(candidate).finite_weights
    assert rmse(candidate, "candidate") == pytest.approx(rmse(candidate, "biases"))


SINGLE = [
    PlantedRow(
        seq=number, user_id=f"u{number}", item_id=f"i{number % 3}", at_us=number * 10**6, rating=3.0
    )
    for number in range(1, 30)
]
ODDITIES: dict[str, tuple[list[PlantedRow], list[CatalogueItem]]] = {
    "no events": ([], planted_items()),
    "nothing at all": ([], []),
    "no items": (planted_rows(), []),
    "no texts": (planted_rows(), NAMELESS),
    "no ratings": (
        [replace(row, rating=None, type="click") for row in planted_rows()],
        planted_items(),
    ),
    "equal ratings": ([replace(row, rating=3.0) for row in planted_rows()], planted_items()),
    "one item": ([replace(row, item_id="i0") for row in planted_rows()], planted_items(1)),
    "users of one event": (SINGLE, planted_items()),
    "equal texts": (
        planted_rows(),
        [replace(item, title="Same", text="Same") for item in planted_items()],
    ),
    "impressions alone": (
        [replace(row, type="impression", rating=None) for row in planted_rows()],
        planted_items(),
    ),
    "unchosen types": (
        [replace(row, type="skipped", rating=None) for row in planted_rows()],
        planted_items(),
    ),
    "equal times": ([replace(row, at_us=10**15) for row in planted_rows()], planted_items()),
    "huge ratings": (
        [replace(row, rating=1e30 * (row.seq % 3)) for row in planted_rows()],
        planted_items(),
    ),
}


@pytest.mark.parametrize("name", ODDITIES)
def test_odd_data_gives_a_candidate_that_serves(
    tmp_path: Path, config: TrainConfig, name: str
) -> None:
    rows, items = ODDITIES[name]
    candidate = train(
        tmp_path,
        write_planted_snapshot(tmp_path / "snapshot", rows=rows, items=items),
        replace(config, full_epochs=2),
    )
    made = report(candidate)
    assert made.finite_weights or name == "huge ratings"
    ranker = Ranker(load_bundle(candidate / "bundle"))
    assert ranker.has_ratings == any(
        row.rating is not None for row in rows if not in_panel(row.user_id)
    )
    top, _ = ranker.top_k(ranker.scores(ranker.user_states([[]])), [10], [None], [()])[0]
    assert len(top) == min(10, len(ranker.catalogue)) or name == "huge ratings"


def test_impressions_push_down_what_was_shown_in_vain(tmp_path: Path, config: TrainConfig) -> None:
    rows = planted_rows()
    shown = [
        PlantedRow(
            seq=5000 + number,
            user_id=row.user_id,
            item_id="i7",
            at_us=row.at_us - 1,
            type="impression",
        )
        for number, row in enumerate(rows)
        if number % 2
    ]
    without = train(tmp_path, write_planted_snapshot(tmp_path / "one", rows=rows), config, name="a")
    shown_in_vain = train(
        tmp_path, write_planted_snapshot(tmp_path / "two", rows=[*rows, *shown]), config, name="b"
    )
    scores = []
    for candidate in (without, shown_in_vain):
        ranker = Ranker(load_bundle(candidate / "bundle"))
        row = ranker.catalogue.row("i7")
        users = ranker.user_states(
            [[HistoryElement(row=number, type="rating", rating=4.0)] for number in range(1, 40, 2)]
        )
        scores.append(float(ranker.scores(users).log_softmax(1)[:, row].mean()))
    assert scores[1] < scores[0] - 0.2


def test_broken_weights_are_reported(tmp_path: Path, full: Path, config: TrainConfig) -> None:
    live = load_bundle(full / "bundle")
    with torch.no_grad():
        towers_of(live).table[3] = float("nan")
    save_bundle(live, tmp_path / "live")
    snapshot = write_planted_snapshot(
        tmp_path / "snapshot", mode="update", rows=new_rows(50), live=tmp_path / "live"
    )
    candidate = train(tmp_path, snapshot, config)
    assert not report(candidate).finite_weights


def test_scored_events_are_only_those_asked_for(full: Path) -> None:
    events = read_events(full.parent / "snapshot" / "panel.parquet")
    panel = report(full).panel
    assert panel is not None
    assert sum(panel.num_events) == events.role_is("score").sum()


def test_a_finished_candidate_is_left_alone(full: Path, config: TrainConfig) -> None:
    before = (full / "report.json").stat().st_mtime_ns
    make_candidate(
        Job(snapshot=Path("nowhere"), config=config, out=full, text_cache=None, check=lambda: None)
    )
    assert (full / "report.json").stat().st_mtime_ns == before


def test_hashed_words_need_no_language_model(tmp_path: Path, config: TrainConfig) -> None:
    """A release has no encoder's files, and free texts and new items get vectors by their words."""
    words = replace(config, encoder=EncoderConfig(model="words"), full_epochs=2)
    full = train(tmp_path, write_planted_snapshot(tmp_path / "full"), words, name="1")
    bundle = load_bundle(full / "bundle")
    assert bundle.encoder_folder is None
    ranker = Ranker(bundle)
    (vector_T,) = ranker.text_vectors([bundle.catalogue.text(3) or ""])
    assert torch.allclose(vector_T, bundle.texts_NT[3], atol=2e-3)
    added = [*planted_items(), CatalogueItem(item_id="new", title=planted_items()[3].title)]
    grown = train(
        tmp_path,
        write_planted_snapshot(tmp_path / "s", mode="items", items=added, live=full / "bundle"),
        words,
        name="2",
    )
    later = load_bundle(grown / "bundle")
    row = later.catalogue.row("new")
    assert row is not None
    assert bool(later.facts.has_text_N[row])
    assert later.texts_NT[row].norm() == pytest.approx(1.0, abs=1e-2)
