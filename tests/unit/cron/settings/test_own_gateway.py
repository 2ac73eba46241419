"""The address of this installation's own gateway."""

from __future__ import annotations

import httpx
import pytest

from cron.settings.own_gateway import authorization, gateway_url
from cron.settings.tree import GatewaySettings, Settings
from deploy.machine.endpoints import endpoints


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("localhost", "http://localhost:8000"),
        ("::1", "http://[::1]:8000"),
        ("2001:db8::7", "http://[2001:db8::7]:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::", "http://[::1]:8000"),  # a server on it has no IPv4: asyncio listens with IPV6_V6ONLY
    ],
)
def test_every_listening_host_gives_a_callable_url(host: str, url: str) -> None:
    settings = Settings(gateway=GatewaySettings(host=host))
    assert gateway_url(settings.gateway) == url
    assert endpoints(settings).gateway == url
    assert httpx.URL(f"{url}/readyz").port == 8000


def test_a_key_becomes_bytes_whatever_its_letters() -> None:
    for key, shown in (
        ("secret", b"secret"),
        ("ключ", "ключ".encode()),
        ("k\udcff", b"k\xff"),
        ("k\n", b"k"),
    ):
        assert httpx.Headers(authorization(key)).raw == [(b"Authorization", b"Bearer " + shown)]
    assert authorization(None) == {}
