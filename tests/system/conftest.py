"""A TorchServe that the tests of one module share, emptied for each of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cron.backends.torchserve.server import TorchServe
from tests.system.torchserve import Running, emptied_node, running_torchserve


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Start a TorchServe for a module."""
    with running_torchserve(tmp_path_factory.mktemp("node")) as running:
        yield running


@pytest.fixture
def server(node: Running) -> Iterator[TorchServe]:
    """Open the node after deleting every version that another test left."""
    with emptied_node(node) as server:
        yield server
