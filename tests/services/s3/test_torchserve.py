"""A real TorchServe loads archives from a bucket, by signed URL or from a shared folder."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from cron.backends.artifacts.s3.client import archives_url
from cron.errors import ServerRefused
from cron.ports import ArtifactStore
from cron.wiring import open_artifacts
from tests.servers import Servers
from tests.services.proxy import Proxy
from tests.services.s3.files import through
from tests.system.torchserve import SPOILT, Running, changed_copy, open_node, running_torchserve
from trainer.archive import pack

TOP = {"user_seq": ["i3"], "k": 3}


@pytest.fixture
def archives(store: ArtifactStore, bundle: Path, tmp_path: Path) -> dict[int, str]:
    """Put versions 1 and 2 into the bucket; return their names."""
    names = {}
    for version in (1, 2):
        mar = pack(bundle=bundle, version=version, out=tmp_path / "packed")
        names[version] = mar.name
        store.put(mar.name, mar)
    return names


@pytest.fixture
def node(url: str, archives: dict[int, str], tmp_path: Path) -> Iterator[Running]:
    with running_torchserve(tmp_path / "node", archives=archives_url(url)) as running:
        yield running


def kill(node: Running) -> None:
    """End a server and all its workers at once, as a power cut would."""
    os.killpg(node.process.pid, signal.SIGKILL)
    node.process.wait()


def test_a_version_is_loaded_by_url_twice(
    store: ArtifactStore, archives: dict[int, str], node: Running
) -> None:
    with open_node(node) as server:
        for version in (1, 2):
            server.register(version, store.url(archives[version]))
        assert [one.version for one in server.versions() if one.ready] == [1, 2]
        server.unregister(2)
        assert [path.name for path in node.store.iterdir()] == [archives[1]]
        server.register(2, store.url(archives[2]))
        server.register(2, store.url(archives[2]))
        assert server.predict(2, TOP, timeout_s=60)


def test_a_killed_server_loads_a_fetched_file_again(
    store: ArtifactStore, archives: dict[int, str], node: Running, url: str, tmp_path: Path
) -> None:
    with open_node(node) as server:
        server.register(1, store.url(archives[1]))
    kill(node)
    whole = (node.store / archives[1]).read_bytes()
    (node.store / archives[2]).write_bytes(
        whole[: len(whole) // 2]
    )  # a download that the kill cut off
    with (
        running_torchserve(tmp_path / "node", archives=archives_url(url)) as again,
        open_node(again) as server,
    ):
        for version in (1, 2):
            server.register(version, store.url(archives[version]))
            assert server.predict(version, TOP, timeout_s=60)


def test_a_file_that_blocks_its_url_is_registered_by_name(
    store: ArtifactStore, archives: dict[int, str], node: Running, tmp_path: Path
) -> None:
    store.fetch(archives[1], node.store / archives[1])
    whole = (tmp_path / "packed" / archives[2]).read_bytes()
    (node.store / archives[2]).write_bytes(whole[: len(whole) // 2])
    with open_node(node) as server:
        server.register(1, store.url(archives[1]))
        assert server.predict(1, TOP, timeout_s=60)
        with pytest.raises(ServerRefused, match="Failed to save model"):
            server.register(2, store.url(archives[2]))
        assert [one.version for one in server.versions()] == [1]


def test_two_nodes_with_one_model_store(
    store: ArtifactStore, archives: dict[int, str], node: Running, url: str, tmp_path: Path
) -> None:
    with running_torchserve(
        tmp_path / "other", store=node.store, archives=archives_url(url)
    ) as other:
        for one in (node, other):
            with open_node(one) as server:
                server.register(1, store.url(archives[1]))
        with open_node(node) as server:  # its own file goes, and the other node goes on
            server.register(2, store.url(archives[2]))
            server.set_live(2)
            server.unregister(1)
        with open_node(other) as server:
            assert server.predict(1, TOP, timeout_s=60)


@pytest.mark.parametrize("member", sorted(SPOILT))
def test_a_failed_registration_leaves_nothing(
    member: str, store: ArtifactStore, archives: dict[int, str], node: Running, tmp_path: Path
) -> None:
    good, spoilt = tmp_path / "packed" / archives[2], {member: SPOILT[member]}
    store.put("rec-2-broken.mar", changed_copy(good, tmp_path / "broken.mar", spoilt))
    with open_node(node) as server:
        server.register(1, store.url(archives[1]))
        with pytest.raises(ServerRefused):
            server.register(2, store.url("rec-2-broken.mar"))
        assert [path.name for path in node.store.iterdir()] == [archives[1]]
        server.register(2, store.url(archives[2]))
        assert server.predict(2, TOP, timeout_s=60)


def test_only_this_bucket_and_prefix_are_loaded_from(
    archives: dict[int, str], node: Running, url: str, proxy: Proxy, tmp_path: Path
) -> None:
    other_store = open_artifacts(url.replace("/archives", "/elsewhere"))
    other_store.put(archives[1], tmp_path / "packed" / archives[1])
    by_another_name = open_artifacts(through(proxy, url))
    with open_node(node) as server:
        for forbidden in (other_store.url(archives[1]), by_another_name.url(archives[1])):
            with pytest.raises(ServerRefused, match="does not match any allowed URL") as caught:
                server.register(1, forbidden)
            assert "X-Amz-Signature" not in str(caught.value)
    assert list(node.store.iterdir()) == []


def test_a_refusal_is_reported_without_the_signature(
    store: ArtifactStore, archives: dict[int, str], node: Running
) -> None:
    with open_node(node) as server, pytest.raises(ServerRefused, match=r"rec-9-abc\.mar") as caught:
        server.register(1, store.url(archives[1]).replace(archives[1], "rec-9-abc.mar"))
    assert "X-Amz-Signature" not in str(caught.value)


def test_from_a_shared_folder_it_loads_by_name(
    servers: Servers, archives: dict[int, str], url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "shared"
    shared = open_artifacts(f"{url}&shared={folder}")
    with running_torchserve(tmp_path / "node", store=folder) as node:
        with open_node(node) as server:
            server.register(1, shared.url(archives[1]))
        kill(node)
    servers.s3.kill()
    try:
        with running_torchserve(tmp_path / "node", store=folder) as node, open_node(node) as server:
            server.register(
                1, shared.url(archives[1])
            )  # the bucket is away, the file was verified when it came
            assert server.predict(1, TOP, timeout_s=60)
    finally:
        servers.s3.start()
