"""Files of a training whose machines share no folder."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.contracts.test_train_launcher import until
from trainer.candidate_files import (
    CHECKPOINT_BEFORE,
    NEWEST_CHECKPOINT,
    PROGRESS,
    TEXTS,
    checkpoints_of,
    partial_of,
)
from trainer.remote_files.names import CHECKPOINTS
from trainer.remote_files.receiver import local_files, stored_progress
from trainer.remote_files.sender import fetch, is_made, newest_checkpoint, send
from trainer.remote_files.store import FileStore, below, open_store


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return (tmp_path / "store" / "17").as_uri()


@pytest.fixture
def store(uri: str, tmp_path: Path) -> FileStore:
    """A store to which a training was sent."""
    snapshot, config = tmp_path / "sender" / "snapshot", tmp_path / "sender" / "config.json"
    (snapshot / "live").mkdir(parents=True)
    (snapshot / "manifest.json").write_text("{}")
    (snapshot / "events.parquet").write_bytes(b"events")
    (snapshot / "live" / "manifest.json").write_bytes(b"{}")
    config.write_text("{}")
    store = open_store(uri)
    send(store, snapshot=snapshot, config=config)
    return store


def write_checkpoint(out: Path, content: bytes) -> None:
    folder = checkpoints_of(out)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "unfinished").write_bytes(content)
    (folder / "unfinished").replace(folder / NEWEST_CHECKPOINT)
    stamp = 1_000_000_000 + int.from_bytes(content, "big")  # distinct on any clock
    os.utime(folder / NEWEST_CHECKPOINT, ns=(stamp, stamp))


def content(file: Path) -> bytes:
    return file.read_bytes()


def test_a_machine_gets_what_was_sent_and_leaves_nothing(store: FileStore, tmp_path: Path) -> None:
    (tmp_path / "machine").mkdir()
    with local_files(store, tmp_path / "machine") as here:
        assert content(here.snapshot / "live" / "manifest.json") == b"{}"
        with local_files(store, tmp_path / "machine") as other:  # another rank
            assert other.folder == here.folder
        assert here.config.is_file()
        assert not (here.snapshot / "events.parquet").exists(), "ranks read their shards"
    assert not here.folder.exists()


def test_a_machine_without_the_first_rank_gets_small_files(
    store: FileStore, tmp_path: Path
) -> None:
    """The first rank may come to it later, and then fetches what is missing."""
    with local_files(store, tmp_path, is_first=False) as here:
        found = [path for path in here.folder.rglob("*") if path.is_file()]
        assert {path.name for path in found} == {"manifest.json", "config.json", "in-use"}
        assert not (here.snapshot / "live").exists()
        with local_files(store, tmp_path) as first:
            assert content(first.snapshot / "live" / "manifest.json") == b"{}"


def test_what_a_killed_rank_left_is_deleted(store: FileStore, tmp_path: Path) -> None:
    left = tmp_path / "machine" / "freshet-training-earlier"
    left.mkdir(parents=True)
    (left / "events.parquet").write_bytes(b"private")
    with local_files(store, tmp_path / "machine"):
        assert not left.exists()


def test_another_machine_goes_on_from_the_checkpoint(
    store: FileStore, uri: str, tmp_path: Path
) -> None:
    """Each start writes one checkpoint and ends; the newest two are kept, in their order."""
    for number in (1, 2, 3):
        out = tmp_path / f"machine-{number}" / "candidate"
        with stored_progress(store, out):
            if number > 1:
                newest = content(checkpoints_of(out) / NEWEST_CHECKPOINT)
                assert newest == bytes([number - 1])
            write_checkpoint(out, bytes([number]))
            (partial_of(out) / PROGRESS).write_text(json.dumps({"starts": number}))
    assert newest_checkpoint(uri) == "checkpoint/000000003.safetensors"
    assert len(store.names(CHECKPOINTS)) == 2
    out = tmp_path / "machine-4" / "candidate"
    with stored_progress(store, out):
        assert content(checkpoints_of(out) / CHECKPOINT_BEFORE) == b"\x02"
        assert json.loads((partial_of(out) / PROGRESS).read_text()) == {"starts": 3}


def test_vectors_of_texts_reach_the_next_machine(store: FileStore, tmp_path: Path) -> None:
    """A training that loses its machine would encode all texts again."""
    texts = [partial_of(tmp_path / name / "candidate") / TEXTS for name in ("first", "second")]
    with stored_progress(store, tmp_path / "first" / "candidate"):
        texts[0].mkdir(parents=True)
        (texts[0] / ".unfinished.tmp").write_bytes(b"ve")
        (texts[0] / "encoder.safetensors").write_bytes(b"vectors")
        until(lambda: store.names(TEXTS))
        (texts[0] / "encoder.safetensors").write_bytes(b"more vectors")
    with stored_progress(store, tmp_path / "second" / "candidate"):
        assert [(one.name, content(one)) for one in texts[1].iterdir()] == [
            ("encoder.safetensors", b"more vectors")
        ]


def test_the_sender_gets_the_candidate_as_a_whole(store: FileStore, tmp_path: Path) -> None:
    out, received = tmp_path / "machine" / "candidate", tmp_path / "runs" / "17" / "candidate"
    assert not is_made(store)
    with stored_progress(store, out):
        (out / "bundle").mkdir(parents=True)
        (out / "bundle" / "manifest.json").write_text("{}")
        (out / "report.json").write_text("[]")
    assert is_made(store)
    fetch(store, received)
    assert (received / "bundle" / "manifest.json").read_text() == "{}"
    assert (received / "report.json").read_text() == "[]"
    assert not partial_of(received).exists()
    assert store.names("") == []


def test_a_store_that_was_away_gets_the_checkpoint_later(
    store: FileStore, uri: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out, place, moved = tmp_path / "m" / "candidate", tmp_path / "store" / "17", tmp_path / "away"
    with stored_progress(store, out):
        place.rename(moved)
        place.write_bytes(b"not a folder")
        write_checkpoint(out, b"\x01")
        until(lambda: "the store does not take a checkpoint" in caplog.text)
        place.unlink()
        moved.rename(place)
    assert newest_checkpoint(uri) == "checkpoint/000000001.safetensors"


def test_a_training_that_fails_stores_no_candidate(store: FileStore, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no"), stored_progress(store, tmp_path / "candidate"):
        raise ValueError("no")
    assert not is_made(store)


def test_without_a_checkpoint_there_is_none(uri: str) -> None:
    assert newest_checkpoint(uri) is None


def test_a_place_below_a_uri_keeps_its_options() -> None:
    assert below("s3://shop/trainings?region=eu-1", "17") == "s3://shop/trainings/17?region=eu-1"
    assert below("file:///srv/trainings/", "17") == "file:///srv/trainings/17"


def test_the_same_is_not_sent_twice_and_a_change_is(store: FileStore, tmp_path: Path) -> None:
    """A worker that starts again does not upload the snapshot again."""
    snapshot, config = tmp_path / "sender" / "snapshot", tmp_path / "sender" / "config.json"
    stored = tmp_path / "store" / "17" / "snapshot" / "events.parquet"
    stored.write_bytes(b"marked")
    send(store, snapshot=snapshot, config=config)
    assert content(stored) == b"marked"
    (snapshot / "manifest.json").write_text('{"data_digest": "another"}')
    send(store, snapshot=snapshot, config=config)
    assert content(stored) == b"events"


def test_a_place_without_a_training_says_so(tmp_path: Path) -> None:
    store = open_store((tmp_path / "nothing").as_uri())
    with pytest.raises(FileNotFoundError, match="no training was sent here"):
        local_files(store, tmp_path).__enter__()
