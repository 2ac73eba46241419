"""Training on a Ray cluster that was there before us; workers and machines come and go."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from cron.backends.launch.places import trainings_uri
from cron.errors import Stopped
from cron.urls.s3 import parse as parse_s3
from cron.wiring import open_artifacts, open_launcher
from tests.contracts.test_train_launcher import (
    EMBEDDED,
    ENDLESS,
    QUICK,
    small_snapshot,
    trainers,
    training,
    until,
)
from tests.servers import Servers
from tests.services.ray_cluster import RayCluster
from trainer.candidate_files import PROGRESS, partial_of
from trainer.remote_files.sender import newest_checkpoint
from trainer.remote_files.store import below
from trainer.report import read_report

LIMIT_S = 600.0  # of what takes half a minute on an idle machine


@pytest.fixture
def bucket(servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An artifact store in a bucket, whose keys are in the environment of all machines."""
    for name, value in servers.s3_keys().items():
        monkeypatch.setenv(name, value)
    url = servers.s3_store()
    (tmp_path / "first").write_text("made the bucket")
    open_artifacts(url).put("first", tmp_path / "first")
    return url


@pytest.fixture
def cluster(
    bucket: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RayCluster]:
    """A cluster of two machines with one CPU each."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_CLIENT_RECONNECT_GRACE_PERIOD", "1")  # to a head that is gone
    cluster = RayCluster(tmp_path_factory.mktemp("r"))
    cluster.add_machine()
    yield cluster
    cluster.lose_all()


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    return small_snapshot(tmp_path / "snapshot")


class Beside:
    """Work in another thread; `join` raises what it raised."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._errors: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()

    def join(self) -> None:
        self._thread.join(LIMIT_S)
        assert not self._thread.is_alive()
        for error in self._errors:
            raise error

    def _run(self, work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:
            self._errors.append(error)


def progress(out: Path) -> dict[str, float]:
    """Return what `status` shows of a training; nothing before it begins."""
    try:
        found: dict[str, float] = json.loads((partial_of(out) / PROGRESS).read_text())
    except OSError:
        return {}
    return found


def last_rank(cluster: RayCluster) -> psutil.Process:
    """Return one of the processes that train, which may be starting again just now."""
    until(cluster.ranks)
    return cluster.ranks()[-1]


def is_on_after(out: Path, starts: float) -> bool:
    """Return whether a training goes on after one more start."""
    found = progress(out)
    return found.get("starts", 0) > starts and found.get("done", 0) > 0


def test_a_lost_worker_does_not_change_the_candidate(
    cluster: RayCluster, bucket: str, snapshot: Path, tmp_path: Path
) -> None:
    """One hangs, and later one is killed. The files travel through a bucket."""
    config = replace(QUICK, full_epochs=600, step_limit_s=8.0)
    alone, out = tmp_path / "alone" / "candidate", tmp_path / "ray" / "candidate"

    def hang_one_and_kill_one() -> None:
        until(lambda: progress(out).get("done", 0) > 0)
        last_rank(cluster).suspend()
        hung = progress(out)
        until(lambda: progress(out).get("starts", 0) > hung["starts"])
        # far enough for a newer checkpoint in the bucket
        until(lambda: progress(out).get("done", 0) > hung["done"] + 100)
        last_rank(cluster).kill()

    killing = Beside(hang_one_and_kill_one)
    through_bucket = f"{cluster.url}?workers=2&files=store"
    for url, to in ((EMBEDDED["process"], alone), (through_bucket, out)):
        launcher = open_launcher(url, text_cache=tmp_path / "texts", artifacts=bucket)
        launcher.train(snapshot, config, to, limit_s=LIMIT_S)
    killing.join()
    assert "[FailurePolicy] RETRY" in (out.parent / "trainer.log").read_text()
    losses, expected = (read_report(made / "report.json").losses for made in (out, alone))
    assert len(losses) == 600
    assert losses == pytest.approx(expected, abs=1e-5)


def test_machines_go_and_come_while_it_trains(
    cluster: RayCluster, snapshot: Path, tmp_path: Path
) -> None:
    """It goes on with one rank, then with two again, and after everything was killed."""
    out = tmp_path / "runs" / "candidate"
    launcher = open_launcher(cluster.elastic_url, text_cache=tmp_path / "texts")
    config = replace(ENDLESS, checkpoint_s=0.5)
    run = Beside(lambda: launcher.train(snapshot, config, out, limit_s=LIMIT_S))
    until(lambda: progress(out).get("ranks") == 2 and training(out))
    cluster.lose_machine()
    until(lambda: progress(out).get("ranks") == 1)
    until(lambda: progress(out).get("done", 0) > 0)
    cluster.add_machine()
    until(lambda: progress(out).get("ranks") == 2)
    until(lambda: progress(out).get("done", 0) > 0)
    assert progress(out).get("starts", 0) >= 3
    cluster.lose_all()
    starts = progress(out).get("starts", 0)
    cluster.start_head_again()
    until(lambda: is_on_after(out, starts))
    launcher.cancel()
    with pytest.raises(Stopped):
        run.join()


def test_a_killed_driver_starts_again_from_the_bucket(
    cluster: RayCluster, bucket: str, snapshot: Path, tmp_path: Path
) -> None:
    """Its checkpoints are in the bucket alone, so the launcher looks there for its progress."""
    out = tmp_path / "runs" / "candidate"
    url = f"{cluster.elastic_url}&files=store"
    launcher = open_launcher(url, text_cache=tmp_path / "texts", artifacts=bucket)
    config = replace(ENDLESS, checkpoint_s=0.5)
    run = Beside(lambda: launcher.train(snapshot, config, out, limit_s=LIMIT_S))
    stored = below(trainings_uri(parse_s3(bucket)), out.parent.name)
    until(lambda: newest_checkpoint(stored) is not None)
    (driver,) = trainers(out)
    driver.kill()
    until(lambda: {one.pid for one in trainers(out)} - {driver.pid})
    launcher.cancel()
    with pytest.raises(Stopped):
        run.join()


def test_without_a_head_ray_joins_no_cluster(
    snapshot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray would wait for minutes for a cluster that ran on this machine and is gone."""
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    launcher = open_launcher("ray:?workers=1", text_cache=tmp_path / "texts")
    out = launcher.train(snapshot, QUICK, tmp_path / "candidate", limit_s=LIMIT_S)
    assert len(read_report(out / "report.json").losses) == QUICK.full_epochs
