"""The bundle directory is saved and loaded equal, and any change in it is found and named."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from recommender.bundle import BundleError, OtherFormat, bundle_digest, load_bundle, save_bundle
from recommender.config import BUNDLE_FORMAT
from recommender.model import ItemFacts
from tests.planted import planted_bundle, towers_of


@pytest.mark.parametrize("tower", ["transformer", "lstm", "sketch", "baseline"])
def test_a_bundle_reads_back_equal(tmp_path: Path, tower: str) -> None:
    saved = planted_bundle(tmp_path / "bundle", tower=tower)  # type: ignore[arg-type]
    loaded = load_bundle(tmp_path / "bundle")
    assert list(loaded.catalogue) == list(saved.catalogue)
    assert loaded.manifest == replace(saved.manifest, files=loaded.manifest.files)
    for name in ItemFacts.__dataclass_fields__:
        assert torch.equal(getattr(loaded.facts, name), getattr(saved.facts, name)), name
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
