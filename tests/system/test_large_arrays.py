"""A real TorchServe whose releases map their large arrays from the model store."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cron.backends.torchserve.server import TorchServe
from cron.errors import ServerRefused
from recommender.arrays.bases import CONTENT
from recommender.bundle import load_bundle
from recommender.lists.answer import answer_batch
from recommender.ranking.ranker import Ranker
from tests.pictured import REQUESTS, pictured_bundle
from tests.system.torchserve import Running
from tests.unit.recommender.lists.test_answer import same
from trainer.archive import pack

QUESTIONS: list[dict[str, object]] = [{"user_seq": ["i3"], "k": 3}, *REQUESTS]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle all of whose arrays count as large."""
    folder = tmp_path_factory.mktemp("large")
    pictured_bundle(folder, "dinov2", whole_bytes=1)
    return folder / "bundle"


def test_releases_answer_from_arrays_beside_them(
    server: TorchServe, node: Running, bundle: Path
) -> None:
    """The workers of two versions have mapped the same files."""
    shutil.copytree(bundle / CONTENT, node.store / CONTENT)
    for version in (1, 2):
        mar = pack(bundle=bundle, version=version, out=node.store, beside=node.store / CONTENT)
        server.register(version, mar.name)
        answers = server.predict(version, QUESTIONS, timeout_s=60)
        (expected,) = answer_batch(Ranker(load_bundle(bundle)), [QUESTIONS])
        assert isinstance(expected, list)
        assert same(answers, [one | {"model_version": version} for one in expected])
    maps = [Path(f"/proc/{pid}/maps").read_text() for pid in node.worker_pids()]
    assert len(maps) == 2
    assert all(f"{node.store / CONTENT}/" in one for one in maps)


def test_a_damaged_array_is_not_served(server: TorchServe, node: Running, bundle: Path) -> None:
    """Its sha256 is in the bundle's manifest."""
    damaged = node.store / "damaged"
    shutil.copytree(bundle / CONTENT, damaged)
    base = max(damaged.iterdir(), key=lambda path: path.stat().st_size)
    base.write_bytes(base.read_bytes()[:-1] + b"\x07")
    mar = pack(bundle=bundle, version=5, out=node.store, beside=damaged)
    with pytest.raises(ServerRefused):
        server.register(5, mar.name)
