"""The writer of texts on a real TorchServe, from its release to a rollback.

.venv/bin/python -m pytest tests/system/test_writer.py
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from cron.copy.release_writer import WriterRelease, release_writer
from cron.copy.serving import roll_back_and_load
from cron.copy_errors import WriterNotAccepted
from cron.ports import ModelServer
from cron.services import Services
from cron.settings.copy_settings import CopySettings
from cron.wiring import open_services
from cron.worker.copy_job import copy_job
from tests.component.gateway_process import gateway, settings_in
from tests.system.machine import until
from tests.system.torchserve import Running, free_node_ports, open_node, running_torchserve
from tests.tiny_writer import LIES, write_inviting_model
from tests.workshop import lease_of
from trainer.archive import pack

LIMIT_S = 240.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WritingShop:
    """A gateway, and the parts of a worker whose writer is a model on TorchServe."""

    services: Services
    client: httpx.Client

    @property
    def copy_server(self) -> ModelServer:
        """The model `copy` on the node."""
        return self.services.copy_server()

    def release(self, temperature: float, *, model: Path | None = None) -> None:
        """Release a writer; another temperature or model is another one."""
        settings = replace(self.services.settings.copy, temperature=temperature)
        if model is not None:
            settings = replace(settings, model=str(model))
        release_writer(
            WriterRelease(
                settings=settings,
                ledger=self.services.ledger,
                artifacts=self.services.artifacts,
                open_server=self.services.copy_server,
                var=self.services.paths.var,
            )
        )

    def take_turn(self) -> None:
        """Let the worker's job take its turn."""
        copy_job(self.services)(lease_of(self.services.ledger))

    def sources(self, item_id: str) -> set[str]:
        """Ask for a list for a history of one item; return who wrote its texts."""
        asked = {"history": [item_id], "k": 3, "copy": True}
        answer = self.client.post("/v1/recommendations", json=asked)
        assert answer.status_code == 200, answer.text
        assert "fallback" not in answer.json()
        return {item["copy"]["source"] for item in answer.json()["items"]}

    def becomes_written(self, item_id: str) -> bool:
        """Let the worker take a turn, and tell whether the writer's texts are shown."""
        self.take_turn()
        return self.sources(item_id) == {"writer"}


@contextmanager
def writing_shop(folder: Path, node: Running) -> Iterator[WritingShop]:
    """Open the shop of a folder on a node."""
    plain = settings_in(folder, inference_port=node.ports.inference, timeout_s=30.0)
    settings = replace(
        plain,
        store=replace(plain.store, server=node.url),
        copy=CopySettings(
            writer="torchserve:", model=str(folder / "model"), languages=("en",), timeout_s=30.0
        ),
    )
    with gateway(settings) as client:
        yield WritingShop(services=open_services(settings), client=client)


def worker_of(node: Running, version: int) -> int:
    """Return the process id of a writer's worker."""
    (described,) = node.manage("GET", f"/models/copy/{version}").json()
    return int(described["workers"][0]["pid"])


def test_a_killed_writer_costs_templates_alone(tmp_path: Path, bundle: Path) -> None:
    write_inviting_model(tmp_path / "model")
    write_inviting_model(tmp_path / "liar", sentences=LIES)
    ports = free_node_ports()
    with running_torchserve(tmp_path, ports=ports) as node, open_node(node) as recommender:
        recommender.register(1, pack(bundle=bundle, version=1, out=node.store).name)
        with writing_shop(tmp_path, node) as shop:
            shop.release(temperature=0.3)
            assert shop.sources("i3") == {"template"}
            until(lambda: shop.becomes_written("i3"), "texts", limit_s=LIMIT_S)
            os.kill(worker_of(node, 1), signal.SIGKILL)
            assert shop.sources("i4") == {"template"}
            shop.take_turn()
            assert shop.sources("i3") == {"writer"}  # what is stored stays
            until(lambda: shop.becomes_written("i4"), "texts again", limit_s=LIMIT_S)
            shop.release(temperature=0.5)
            assert shop.copy_server.live() == 2
            roll_back_and_load(
                shop.services.ledger, shop.services.copy_server, shop.services.artifacts
            )
            assert [(one.version, one.ready) for one in shop.copy_server.versions()] == [(1, True)]
            until(lambda: shop.sources("i4") == {"writer"}, "the texts before", limit_s=LIMIT_S)
            with pytest.raises(WriterNotAccepted, match="accepts 0%"):
                shop.release(temperature=0.3, model=tmp_path / "liar")
            assert [one.version for one in shop.copy_server.versions()] == [1]
            assert shop.sources("i4") == {"writer"}
    with running_torchserve(tmp_path, ports=ports) as node, writing_shop(tmp_path, node) as shop:
        assert shop.copy_server.versions() == ()
        shop.take_turn()
        assert shop.copy_server.live() == 1
