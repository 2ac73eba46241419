"""The address of this installation's own gateway, and its key in a call."""

from __future__ import annotations

from cron.settings.tree import GatewaySettings

# Addresses that listen everywhere cannot be called; `::` accepts IPv6 alone.
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def gateway_url(gateway: GatewaySettings) -> str:
    """Return its root as seen from this machine, without a slash at the end."""
    host = _EVERYWHERE.get(gateway.host, gateway.host)
    return f"http://[{host}]:{gateway.port}" if ":" in host else f"http://{host}:{gateway.port}"


def authorization(api_key: str | None) -> dict[bytes, bytes]:
    """Return the header with the key; none where no key is set."""
    return {} if api_key is None else {b"Authorization": b"Bearer " + key_bytes(api_key)}


def key_bytes(api_key: str) -> bytes:
    """Return the key for a header, in UTF-8, without the line end of a secret's file."""
    # bytes of the environment that are not UTF-8 arrive as surrogates
    return api_key.strip().encode("utf-8", "surrogateescape")
