"""Local copies of bundles and optimiser states are verified, and fetched again if damaged."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from cron.cycle.cycle import run_cycle
from cron.cycle.release_files import bundle_of, state_of
from cron.errors import ArtifactCorrupt
from cron.ledger import release_rows
from cron.lineage import Lease
from cron.services import Services
from recommender.arrays.bases import base_names, bases_of
from tests.component.house import HookedArtifacts
from tests.workshop import event_records, send, with_bases
from trainer.archive import verify_bundle


def cut_short(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"")


def lose_a_file(folder: Path) -> None:
    (folder / "catalogue.safetensors").unlink()


def leave_the_manifest_alone(folder: Path) -> None:
    manifest = (folder / "manifest.json").read_bytes()
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "manifest.json").write_bytes(manifest)


def add_a_file(folder: Path) -> None:
    (folder / "surplus").touch()


def test_the_copies_of_a_new_release_are_not_fetched(services: Services, lease: Lease) -> None:
    """They are the candidate's files, so an update writes them once."""
    large = with_bases(services)
    send(large, event_records(401, 480))
    run = run_cycle(large, lease)
    assert run.version is not None
    manifest = release_rows.release(large.ledger, run.version).manifest
    fetched: list[str] = []
    store = HookedArtifacts(large.artifacts, after_fetch=fetched.append)
    folder = bundle_of(store, large.paths.bundles, manifest)
    state = state_of(store, large.paths.bundles, manifest)
    assert state is not None
    assert base_names(folder)
    assert bases_of(state)
    assert fetched == []


def test_a_release_is_published_without_room_for_its_copies(
    services: Services, lease: Lease
) -> None:
    """The artifacts are stored already; the next update fetches what it needs of them."""
    bundles = services.paths.bundles
    send(services, event_records(401, 480))

    def fill_the_disk(name: str) -> None:
        if name.startswith("manifests/"):
            shutil.rmtree(bundles)
            bundles.touch()

    store = HookedArtifacts(services.artifacts, after_put=fill_the_disk)
    run = run_cycle(replace(services, artifacts=store), lease)
    assert run.outcome == "published"
    assert bundles.is_file()
    bundles.unlink()
    send(services, event_records(481, 520))
    assert run_cycle(services, lease).outcome == "published"


@pytest.mark.parametrize("damage", [cut_short, lose_a_file, leave_the_manifest_alone, add_a_file])
def test_a_damaged_copy_of_a_bundle_is_fetched_again(
    services: Services, damage: Callable[[Path], None]
) -> None:
    manifest = release_rows.release(services.ledger, 1).manifest
    damage(bundle_of(services.artifacts, services.paths.bundles, manifest))
    verify_bundle(bundle_of(services.artifacts, services.paths.bundles, manifest))


def test_a_whole_bundle_of_another_release_is_replaced(services: Services) -> None:
    first, second = (release_rows.release(services.ledger, version).manifest for version in (0, 1))
    folder = bundle_of(services.artifacts, services.paths.bundles, second)
    shutil.rmtree(folder)
    shutil.copytree(bundle_of(services.artifacts, services.paths.bundles, first), folder)
    assert (
        bundle_of(services.artifacts, services.paths.bundles, second) / "manifest.json"
    ).read_bytes() != (
        bundle_of(services.artifacts, services.paths.bundles, first) / "manifest.json"
    ).read_bytes()


def test_a_damaged_copy_of_a_state_is_fetched_again(services: Services) -> None:
    manifest = release_rows.release(services.ledger, 1).manifest
    file = state_of(services.artifacts, services.paths.bundles, manifest)
    assert file is not None
    whole = file.read_bytes()
    for known in (
        manifest,
        msgspec.structs.replace(manifest, state_sha256=None),
    ):  # None: a release from before the digest was recorded
        file.write_bytes(whole[:-1])
        state_of(services.artifacts, services.paths.bundles, known)
        assert file.read_bytes() == whole


def test_publishing_goes_on_over_damaged_copies(services: Services, lease: Lease) -> None:
    manifest = release_rows.release(services.ledger, 1).manifest
    cut_short(bundle_of(services.artifacts, services.paths.bundles, manifest))
    state = state_of(services.artifacts, services.paths.bundles, manifest)
    assert state is not None
    state.write_bytes(b"cut")
    send(services, event_records(401, 480))
    run = run_cycle(services, lease)
    assert (run.mode, run.outcome) == ("update", "published"), [
        reason.text for reason in run.reasons
    ]


def test_a_bundle_or_state_unknown_to_the_ledger_is_refused(
    services: Services, tmp_path: Path
) -> None:
    """Bytes and digest in the store agree, and are not those of the release."""
    manifest = release_rows.release(services.ledger, 1).manifest
    assert manifest.state is not None
    (tmp_path / "other").write_bytes(b"something else")
    for name, fetch in ((manifest.archive, bundle_of), (manifest.state, state_of)):
        services.artifacts.delete(name)
        services.artifacts.put(name, tmp_path / "other")
        shutil.rmtree(services.paths.bundles, ignore_errors=True)
        with pytest.raises(ArtifactCorrupt, match=name):
            fetch(services.artifacts, services.paths.bundles, manifest)
