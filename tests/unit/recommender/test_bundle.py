"""The bundle directory is saved and loaded equal, and any change in it is found and named."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from recommender.arrays.bases import CONTENT
from recommender.bundle import BundleError, OtherFormat, bundle_digest, load_bundle, save_bundle
from recommender.config import BUNDLE_FORMAT
from recommender.network.model import ItemFacts
from recommender.ranking.history_columns import HistoryElement
from recommender.ranking.ranker import Ranker
from tests.planted import planted_bundle, towers_of


def assert_same_facts(loaded: ItemFacts, saved: ItemFacts) -> None:
    """Compare the tensors by item; mapped ones may be in half precision."""
    expected = dict(saved.by_item())
    found = dict(loaded.by_item())
    assert found.keys() == expected.keys()
    for name, tensor in found.items():
        assert torch.equal(tensor.float(), expected[name].float()), name


@pytest.mark.parametrize("tower", ["transformer", "lstm", "sketch", "baseline"])
def test_a_bundle_reads_back_equal(tmp_path: Path, tower: str) -> None:
    saved = planted_bundle(tmp_path / "bundle", tower=tower)  # type: ignore[arg-type]
    loaded = load_bundle(tmp_path / "bundle")
    assert list(loaded.catalogue) == list(saved.catalogue)
    assert loaded.manifest == replace(saved.manifest, files=loaded.manifest.files)
    assert_same_facts(loaded.facts, saved.facts)
    for name, weight in saved.model.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], weight), name
    assert not loaded.model.training


def test_equal_bundles_have_equal_digests_and_others_differ(tmp_path: Path) -> None:
    bundle = planted_bundle(tmp_path / "one", tower="transformer")
    assert save_bundle(load_bundle(tmp_path / "one"), tmp_path / "two") == bundle_digest(
        tmp_path / "one"
    )
    with torch.no_grad():
        towers_of(bundle).table[0, 0] += 1.0
    assert save_bundle(bundle, tmp_path / "three") != bundle_digest(tmp_path / "one")


@pytest.mark.parametrize(
    "name", ["model.safetensors", "texts.safetensors", "catalogue.safetensors"]
)
def test_a_changed_file_is_named(tmp_path: Path, name: str) -> None:
    planted_bundle(tmp_path / "bundle")
    file = tmp_path / "bundle" / name
    changed = bytearray(file.read_bytes())
    changed[-3] ^= 1
    file.write_bytes(bytes(changed))
    with pytest.raises(BundleError, match=name):
        load_bundle(tmp_path / "bundle")


def test_a_missing_and_an_unexpected_file_are_named(tmp_path: Path) -> None:
    planted_bundle(tmp_path / "bundle")
    (tmp_path / "bundle" / "surplus.py").write_text("")
    with pytest.raises(BundleError, match=r"surplus\.py: not in the manifest"):
        load_bundle(tmp_path / "bundle")
    (tmp_path / "bundle" / "surplus.py").unlink()
    (tmp_path / "bundle" / "model.safetensors").unlink()
    with pytest.raises(BundleError, match=r"model\.safetensors: missing"):
        load_bundle(tmp_path / "bundle")


def test_another_format_version_is_refused(tmp_path: Path) -> None:
    planted_bundle(tmp_path / "bundle")
    path = tmp_path / "bundle" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": BUNDLE_FORMAT + 1}))
    with pytest.raises(
        OtherFormat, match=f"expected format {BUNDLE_FORMAT}, found {BUNDLE_FORMAT + 1}"
    ):
        load_bundle(tmp_path / "bundle")


def test_a_folder_without_a_bundle_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"manifest\.json: not a valid manifest of a bundle"):
        load_bundle(tmp_path)


def test_a_bundle_with_broken_weights_still_loads(tmp_path: Path) -> None:
    bundle = planted_bundle(tmp_path / "one", tower="transformer")
    with torch.no_grad():
        towers_of(bundle).table[:] = float("nan")
    save_bundle(bundle, tmp_path / "two")
    assert towers_of(load_bundle(tmp_path / "two")).table.isnan().all()


def test_a_packed_encoder_is_copied_from_bundle_to_bundle(tmp_path: Path) -> None:
    planted_bundle(tmp_path / "one", encoder="tiny")
    parent = load_bundle(tmp_path / "one")
    save_bundle(parent, tmp_path / "two")
    assert (tmp_path / "two" / "encoder" / "model.safetensors").read_bytes() == (
        tmp_path / "one" / "encoder" / "model.safetensors"
    ).read_bytes()
    with pytest.raises(BundleError, match="can't pack the encoder"):
        save_bundle(replace(parent, folder=None), tmp_path / "three")


@pytest.mark.parametrize("tower", ["transformer", "sketch", "baseline"])
def test_a_bundle_of_large_arrays_reads_back_equal(tmp_path: Path, tower: str) -> None:
    """All of its arrays count as large here, and the catalogue too."""
    saved = planted_bundle(tmp_path / "whole", tower=tower)  # type: ignore[arg-type]
    digest = save_bundle(saved, tmp_path / "one", whole_bytes=1)
    loaded = load_bundle(tmp_path / "one")
    assert list(loaded.catalogue) == list(saved.catalogue)
    assert_same_facts(loaded.facts, saved.facts)
    for name, weight in saved.model.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], weight), name
    assert save_bundle(loaded, tmp_path / "two", whole_bytes=1) == digest
    assert Ranker(loaded).popular_rows(5).tolist() == Ranker(saved).popular_rows(5).tolist()


def test_the_next_bundle_shares_the_files_of_what_is_the_same(tmp_path: Path) -> None:
    """Only a layer of the row that changed is written; the rest are links to the same files."""
    planted_bundle(tmp_path / "whole", tower="transformer")
    save_bundle(load_bundle(tmp_path / "whole"), tmp_path / "one", whole_bytes=1)
    parent = load_bundle(tmp_path / "one")
    with torch.no_grad():
        towers_of(parent).table[3] += 1.0
    save_bundle(parent, tmp_path / "two", whole_bytes=1)
    files = [inodes(tmp_path / name / CONTENT) for name in ("one", "two")]
    assert files[0] < files[1]
    assert len(files[1] - files[0]) == 1
    table = towers_of(load_bundle(tmp_path / "two")).table
    assert table.equal(towers_of(parent).table)
    assert not table.equal(towers_of(load_bundle(tmp_path / "one")).table)


def test_a_changed_base_is_named_wherever_it_is(tmp_path: Path) -> None:
    """The manifest's digests cover the bases, in the bundle's folder and beside the archives."""
    saved = planted_bundle(tmp_path / "whole", tower="transformer")
    save_bundle(saved, tmp_path / "one", whole_bytes=1)
    beside = (tmp_path / "one" / CONTENT).rename(tmp_path / "beside")
    with pytest.raises(BundleError, match="missing"):
        load_bundle(tmp_path / "one")
    assert len(load_bundle(tmp_path / "one", content=beside).catalogue) == len(saved.catalogue)
    base = max(beside.iterdir(), key=lambda path: path.stat().st_size)
    base.write_bytes(base.read_bytes()[:-1] + b"\x07")
    with pytest.raises(BundleError, match=f"{base.name}: expected sha256"):
        load_bundle(tmp_path / "one", content=beside)


def test_answers_do_not_depend_on_how_arrays_are_stored(tmp_path: Path) -> None:
    """Half-precision vectors that are mapped give the scores of those that are loaded whole."""
    saved = planted_bundle(tmp_path / "whole", tower="transformer")
    save_bundle(saved, tmp_path / "one", whole_bytes=1)
    whole, mapped = (Ranker(load_bundle(tmp_path / name)) for name in ("whole", "one"))
    users = [[HistoryElement(row=2), HistoryElement(row=5)], []]
    assert torch.equal(
        whole.scores(whole.user_states(users)), mapped.scores(mapped.user_states(users))
    )


def inodes(folder: Path) -> set[int]:
    """Return what identifies the files of a folder on the disk."""
    return {path.stat().st_ino for path in folder.iterdir()}
