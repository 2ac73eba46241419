"""Where this installation's own gateway answers, and how its key is written in a call.

Knows its settings; does not know what is asked of it.
"""

from __future__ import annotations

from cron.settings.tree import GatewaySettings

_EVERYWHERE = {
    "0.0.0.0": "127.0.0.1",
    "::": "::1",
}  # listening on all addresses is no address; `::` takes IPv6 alone


def gateway_url(gateway: GatewaySettings) -> str:
    """Return its root from this machine, without a slash at the end; an IPv6 address is in brackets."""
    host = _EVERYWHERE.get(gateway.host, gateway.host)
    return f"http://[{host}]:{gateway.port}" if ":" in host else f"http://{host}:{gateway.port}"


def authorization(api_key: str | None) -> dict[bytes, bytes]:
    """Return the header that shows the key; none where no key is set."""
    return {} if api_key is None else {b"Authorization": b"Bearer " + key_bytes(api_key)}


def key_bytes(api_key: str) -> bytes:
    """Return the key as it stands in a header: in UTF-8, without the line end that a file or a secret store may have left on it."""
    return api_key.strip().encode(
        "utf-8", "surrogateescape"
    )  # what is no UTF-8 in the environment came as surrogates
