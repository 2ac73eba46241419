"""Releases of large arrays: bases and layers are beside the archives, and deleted at last."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cron.cycle import release_files
from cron.cycle.cycle import run_cycle
from cron.errors import ArtifactCorrupt, ArtifactMissing
from cron.ledger import release_rows
from cron.lineage import Lease, Manifest
from cron.services import Services
from cron.serving.release import archive_url
from recommender.arrays.bases import CONTENT, base_names
from tests.workshop import (
    close_workshop,
    event_records,
    item_records,
    lease_of,
    open_workshop,
    send,
    with_bases,
)
from trainer.archive import bases_left_out, bundle_digest


@pytest.fixture(scope="module")
def trained_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a baseline and a full release of large arrays, copied by each test."""
    folder = tmp_path_factory.mktemp("large")
    services = with_bases(open_workshop(folder))
    lease = lease_of(services.ledger)
    send(services, [*item_records(), *event_records(1, 400)])
    assert [run_cycle(services, lease).mode for _ in range(2)] == ["baseline", "full"]
    close_workshop(services)
    return folder


@pytest.fixture
def large(trained_folder: Path, tmp_path: Path) -> Iterator[Services]:
    folder = tmp_path / "workshop"
    shutil.copytree(trained_folder, folder)
    services = with_bases(open_workshop(folder))
    yield services
    close_workshop(services)


def test_an_update_stores_again_only_what_it_changed(large: Services) -> None:
    """The catalogue and the texts keep their bases, which the archives leave out."""
    before = set(large.artifacts.names(f"{CONTENT}/"))
    update(large, 401)
    full, updated = manifest_of(large, 1), manifest_of(large, 2)
    assert len(set(full.bases) & set(updated.bases)) >= 2
    assert before & set(large.artifacts.names(f"{CONTENT}/"))
    store = large.artifacts.folder()
    assert store is not None
    with zipfile.ZipFile(store / updated.archive) as archive:
        assert not [name for name in archive.namelist() if name.startswith(f"bundle/{CONTENT}")]


def test_a_copy_of_a_release_is_whole_and_linked(large: Services) -> None:
    """The bundles of two releases are one file on the disk where they are the same."""
    update(large, 401)
    folders = [bundle_of(large, manifest_of(large, version)) for version in (1, 2)]
    for folder, version in zip(folders, (1, 2), strict=True):
        assert bundle_digest(folder) == manifest_of(large, version).bundle_digest
    shared = set(base_names(folders[0])) & set(base_names(folders[1]))
    assert shared
    for name in shared:
        one, other = (folder / CONTENT / name for folder in folders)
        assert one.stat().st_ino == other.stat().st_ino


def test_bases_go_with_the_last_release_that_needs_them(large: Services) -> None:
    """Two releases are kept, and the anchor of both."""
    few = replace(
        large,
        settings=replace(
            large.settings,
            release=replace(large.settings.release, keep_registered=2, keep_releases=2),
        ),
    )
    for number in range(3):
        update(few, 401 + 40 * number)
    kept = [manifest_of(few, version) for version in (1, 3, 4)]
    needed = {release_files.base_name(digest) for one in kept for digest in one.bases}
    assert set(few.artifacts.names(f"{CONTENT}/")) == needed
    local = {path.name for path in (few.paths.bundles / CONTENT).iterdir()}
    assert local <= {digest for one in kept for digest in one.bases}
    shutil.rmtree(few.paths.bundles)
    for one in kept:  # each can be loaded again, and the next update can continue it
        assert archive_url(few.artifacts, one) == one.archive
        assert bundle_digest(bundle_of(few, one)) == one.bundle_digest
        assert release_files.state_of(few.artifacts, few.paths.bundles, one) is not None


def test_a_file_beside_an_archive_is_verified_before_it_loads(large: Services) -> None:
    """A lost or damaged base or layer is named before TorchServe gets the archive."""
    update(large, 401)
    manifest, store = manifest_of(large, 2), large.artifacts.folder()
    assert store is not None
    needed = bases_left_out(store / manifest.archive)
    assert needed
    assert set(needed) < set(manifest.bases), "the optimiser's state has its own"
    for name in needed:
        file = store / CONTENT / name
        content = file.read_bytes()
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(ArtifactCorrupt, match=name):
            archive_url(large.artifacts, manifest)
        file.unlink()
        with pytest.raises(ArtifactMissing, match=name):
            archive_url(large.artifacts, manifest)
        file.write_bytes(content)
    assert archive_url(large.artifacts, manifest) == manifest.archive


def test_a_damaged_base_is_stored_again(large: Services) -> None:
    """The next update has the same base and finds what the store has of it damaged."""
    update(large, 401)
    store = large.artifacts.folder()
    assert store is not None
    known = {path.name for path in (large.paths.bundles / CONTENT).iterdir()}
    shared = known & set(manifest_of(large, 2).bases)
    assert shared
    for name in shared:
        (store / CONTENT / name).write_bytes(b"damaged" * 100)
    update(large, 441)
    for digest in manifest_of(large, 3).bases:
        large.artifacts.url(release_files.base_name(digest), sha256=digest)


def test_a_damaged_local_base_is_fetched_again(large: Services) -> None:
    """A bundle that links to it is replaced too."""
    manifest = manifest_of(large, 1)
    folder = bundle_of(large, manifest)
    name = base_names(folder)[0]
    (folder / CONTENT / name).write_bytes(b"damaged")
    assert bundle_digest(bundle_of(large, manifest)) == manifest.bundle_digest
    assert (folder / CONTENT / name).read_bytes() != b"damaged"


def test_archives_are_whole_where_nodes_read_no_folder(large: Services, lease: Lease) -> None:
    """With `release.share_bases` off each archive has all of its arrays."""
    release = replace(large.settings.release, share_bases=False)
    whole = replace(large, settings=replace(large.settings, release=release))
    send(whole, event_records(401, 440))
    assert run_cycle(whole, lease).outcome == "published"
    store = large.artifacts.folder()
    assert store is not None
    with zipfile.ZipFile(store / manifest_of(whole, 2).archive) as archive:
        assert [name for name in archive.namelist() if name.startswith(f"bundle/{CONTENT}/")]
        assert "content.json" not in archive.namelist()


@pytest.fixture
def lease(large: Services) -> Lease:
    return lease_of(large.ledger)


def update(services: Services, first: int) -> None:
    """Publish an update of forty new events."""
    send(services, event_records(first, first + 39))
    assert run_cycle(services, lease_of(services.ledger)).outcome == "published"


def manifest_of(services: Services, version: int) -> Manifest:
    return release_rows.release(services.ledger, version).manifest


def bundle_of(services: Services, manifest: Manifest) -> Path:
    return release_files.bundle_of(services.artifacts, services.paths.bundles, manifest)
