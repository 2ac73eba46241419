"""Kept parts of benches and what decides them; curves of the training bench."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.contestants.peers import PEERS, PeerTraining, Ranking, rankings
from bench.data.leave_one_out import RankingResult, split_of
from bench.report.kept import PRODUCT, data_digest, events_digest, files_digest, kept_part
from bench.speed.training import Curve, metrics_of
from cron.project_root import PROJECT_ROOT
from tests.unit.bench.tastes import tastes


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRESHET_BENCH_WORK", str(tmp_path))


def test_a_finished_part_is_not_made_again() -> None:
    made: list[Path] = []

    def make(folder: Path) -> dict[str, float]:
        made.append(folder)
        return {"ndcg": 0.1 * len(made)}

    assert kept_part("quality/x", ("code", 1), make) == {"ndcg": 0.1}
    assert kept_part("quality/x", ("code", 1), make) == {"ndcg": 0.1}
    assert kept_part("quality/x", ("code", 2), make) == {"ndcg": 0.2}
    assert len(made) == 2


def test_an_interrupted_part_finds_its_folder_again() -> None:
    def cut_off(folder: Path) -> object:
        (folder / "half").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept_part("quality/x", "code", cut_off)
    assert kept_part("quality/x", "code", lambda folder: (folder / "half").exists()) is True


def test_the_digest_of_code_changes_with_its_text(tmp_path: Path) -> None:
    (tmp_path / "trainer").mkdir()
    (tmp_path / "trainer" / "loop.py").write_text("one")
    (tmp_path / "peer.py").write_text("two")
    ours = files_digest("trainer/**/*.py", "peer.py", root=tmp_path)
    theirs = files_digest("peer.py", root=tmp_path)
    (tmp_path / "trainer" / "loop.py").write_text("one!")
    assert files_digest("trainer/**/*.py", "peer.py", root=tmp_path) != ours
    assert files_digest("peer.py", root=tmp_path) == theirs
    with pytest.raises(AssertionError, match=r"pear\.py matches no file"):
        files_digest("pear.py", root=tmp_path)


@pytest.mark.parametrize("package", ["recommender", "trainer"])
def test_the_digest_covers_every_file_of_a_package(package: str) -> None:
    """A file that the digest misses could change, and a kept part would still count as current."""
    covered = {file for pattern in PRODUCT for file in PROJECT_ROOT.glob(pattern)}
    assert covered >= set((PROJECT_ROOT / package).rglob("*.py"))


def test_the_digest_of_data_covers_events_order_and_items() -> None:
    data = tastes()
    assert data_digest(data) == data_digest(tastes())
    others = [
        replace(data, items_E=data.items_E[::-1]),
        replace(data, items=[{"title": "Heat", "text": "Heat"}, *data.items[1:]]),
    ]
    assert len({data_digest(one) for one in (data, *others)}) == 3
    assert len({events_digest(one) for one in (data, *others)}) == 2


def test_a_peer_is_kept_by_its_parameters_data_and_stage() -> None:
    data = tastes()
    split, peer = split_of(data), PEERS["ml-100k"][0]
    training = PeerTraining(peer=peer, seed=0, threads=1)
    found = [{"epoch": 26, "scored": {"ndcg_U": [1.0], "seconds": 2.0, "cpu_s": 1.5}}]
    kept_part(*training.part(split), lambda _: found)
    assert rankings(training, split) == [
        Ranking(epoch=26, scored=RankingResult(ndcg_U=[1.0], seconds=2.0, cpu_s=1.5))
    ]
    others = [
        replace(training, seed=1),
        replace(training, run="2"),
        replace(training, peer=replace(peer, epochs=peer.epochs + 1)),
    ]
    splits = [split_of(data, tuning=True), split_of(replace(data, items_E=data.items_E[::-1]))]
    parts = [
        training.part(split),
        *(one.part(split) for one in others),
        *(training.part(one) for one in splits),
    ]
    assert len({str(part) for part in parts}) == len(parts)


def result(ndcg: float, seconds: float) -> RankingResult:
    return RankingResult(ndcg_U=[ndcg], seconds=seconds, cpu_s=seconds / 2)


def test_time_to_a_quality_is_that_of_the_first_ranking() -> None:
    theirs = Curve(
        model="theirs",
        interactions=100,
        epochs=(2, 4, 6),
        scored=[result(0.05, 10), result(0.1, 20), result(0.09, 30)],
    )
    ours = Curve(
        model="ours", interactions=200, epochs=(1, 3), scored=[result(0.096, 4), result(0.2, 12)]
    )
    sketch = Curve(model="sketch", interactions=200, epochs=(3,), scored=[result(0.001, 6)])
    found = {
        (row.model, row.metric): row.value for row in metrics_of("tastes", ours, theirs, sketch)
    }
    assert found["sketch", "interactions a s"] == pytest.approx(200 * 3 / 6)
    assert found["sketch", "NDCG@10, epochs: 3"] == pytest.approx(0.001)
    assert found["ratio", "s to NDCG@10 0.0950, 95 % of theirs's best"] == pytest.approx(20 / 4)
    assert found["ratio", "processor s to NDCG@10 0.1000, 100 % of theirs's best"] == pytest.approx(
        20 / 12
    )
    assert found["theirs", "interactions a s"] == pytest.approx(100 * 6 / 30)
    assert found["ratio", "interactions a s"] == pytest.approx((200 * 3 / 12) / (100 * 6 / 30))
    assert found["ours", "NDCG@10, epochs: 3"] == pytest.approx(0.2)


def test_a_quality_never_reached_has_no_time_and_no_ratio() -> None:
    theirs = Curve(model="theirs", interactions=1, epochs=(1,), scored=[result(0.5, 1)])
    ours = Curve(model="ours", interactions=1, epochs=(1,), scored=[result(0.4, 1)])
    rows = metrics_of("tastes", ours, theirs, replace(ours, model="sketch"))
    names = {(row.model, row.metric) for row in rows}
    assert not any("to NDCG@10" in metric and model in ("ours", "ratio") for model, metric in names)
    assert np.isfinite([row.value for row in rows]).all()
