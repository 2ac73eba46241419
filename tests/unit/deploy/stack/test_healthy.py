"""The health check of a container."""

from __future__ import annotations

from http.server import HTTPServer, SimpleHTTPRequestHandler
from threading import Thread

import pytest

from deploy.stack import healthy


def test_the_health_check_of_a_container_asks_no_proxy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Docker's client puts the proxies of its own settings into every container."""
    with HTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server:
        url = f"http://127.0.0.1:{server.server_port}/"
        Thread(target=server.handle_request, daemon=True).start()
        for name in ("http_proxy", "HTTP_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert healthy.main([url]) == 0
    assert healthy.main([url]) == 1
    assert "refused" in capsys.readouterr().err
