"""Where one machine listens, from its settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cron.settings.own_gateway import gateway_url
from cron.settings.tree import Settings
from cron.urls.torchserve import parse as parse_nodes


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """The addresses of the gateway and of one TorchServe node."""

    gateway: str
    server_host: str
    management_port: int
    inference_port: int
    model: str
    asks_for_key: bool = False  # the gateway does
    keys: Path | None = None  # TorchServe's key file, where its tokens are on

    @property
    def metrics_port(self) -> int:
        """The port of TorchServe's Prometheus page: by default (8081, 8082) management plus one."""
        return self.management_port + 1

    @property
    def predictions(self) -> str:
        """The URL of TorchServe's own endpoint."""
        return f"http://{self.server_host}:{self.inference_port}/predictions/{self.model}"

    @property
    def management(self) -> str:
        """The URL of TorchServe's management."""
        return f"http://{self.server_host}:{self.management_port}/models/{self.model}"


def endpoints(settings: Settings) -> Endpoints:
    """Return where things listen; of several nodes the first."""
    server = parse_nodes(settings.store.server)[0]
    return Endpoints(
        gateway=gateway_url(settings.gateway),
        server_host=server.host,
        management_port=server.management_port,
        inference_port=server.inference_port,
        model=server.model,
        asks_for_key=settings.gateway.api_key is not None,
        keys=server.keys,
    )
