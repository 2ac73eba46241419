"""Where this installation's own gateway answers, and the key that our tools show there.

Knows its settings; does not know what is asked of it.
"""

from __future__ import annotations

from cron.config import GatewaySettings

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # listening on all addresses is no address; `::` takes IPv6 alone


def gateway_url(gateway: GatewaySettings) -> str:
    """Return its root from this machine, without a slash at the end; an IPv6 address is in brackets."""
    host = _EVERYWHERE.get(gateway.host, gateway.host)
    return f"http://[{host}]:{gateway.port}" if ":" in host else f"http://{host}:{gateway.port}"
