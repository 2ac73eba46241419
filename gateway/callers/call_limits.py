"""Limits on calls a second: of each key, and of each address of visitors.

Each process counts for itself, in memory.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from typing import Literal

from gateway.callers.keyring import LOCAL, Caller
from gateway.callers.token_buckets import TokenBuckets

BURST_S = 5.0  # a page makes several calls at once; after a pause, as many as in this time
# of 250 bytes each: 5 MB
MAX_ADDRESSES = 20_000
MAX_KEYS = 1_000
_SITE_BITS = 64  # of an IPv6 address; a customer has the rest

CallLimit = Literal["key", "address"]


class TooManyCalls(Exception):
    """A call beyond a limit."""

    def __init__(self, limit: CallLimit, who: str, *, rate_s: float, wait_s: float) -> None:
        self.limit = limit
        self.retry_after_s = max(1, math.ceil(wait_s))
        super().__init__(
            f"{who} sends more than {rate_s:g} calls a second; try again in {self.retry_after_s} s"
        )


class CallLimits:
    """Counts calls. A rate of None is no limit.

    `on_refusal` is called with the limit of each refused call.
    """

    def __init__(
        self,
        *,
        key_calls_s: float | None,
        address_calls_s: float | None,
        on_refusal: Callable[[CallLimit], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._key_rate_s, self._address_rate_s = key_calls_s, address_calls_s
        self._on_refusal = on_refusal
        self._keys = _buckets(key_calls_s, MAX_KEYS, clock)
        self._addresses = _buckets(address_calls_s, MAX_ADDRESSES, clock)

    def admit(self, caller: Caller | None, host: str | None) -> None:
        """Count a call; raise TooManyCalls. `caller` is None for a call without a valid key.

        A key of a program has its own limit. The callers with a browser key, which all have the
        same one, and those without a valid key are also told apart by `host`, their address.
        """
        if caller is LOCAL:
            return
        if caller is None or caller.is_browser:
            self._admit_address(host)
        if caller is not None and self._keys is not None and self._key_rate_s is not None:
            wait_s = self._keys.take(caller.name)
            if wait_s:
                self._on_refusal("key")
                who = f"the key {caller.name!r}"
                raise TooManyCalls("key", who, rate_s=self._key_rate_s, wait_s=wait_s)

    def _admit_address(self, host: str | None) -> None:
        name = _address_name(host)
        if name is None or self._addresses is None or self._address_rate_s is None:
            return
        wait_s = self._addresses.take(name)
        if wait_s:
            self._on_refusal("address")
            who = f"the address {name}"
            raise TooManyCalls("address", who, rate_s=self._address_rate_s, wait_s=wait_s)


def _buckets(
    rate_s: float | None, max_buckets: int, clock: Callable[[], float]
) -> TokenBuckets | None:
    if rate_s is None:
        return None
    return TokenBuckets(rate_s=rate_s, burst=BURST_S * rate_s, max_buckets=max_buckets, clock=clock)


def _address_name(host: str | None) -> str | None:
    """Return what is counted as one address: of IPv6 a site's network; None for this machine.

    A proxy on this machine that is not in `gateway.trusted_proxies` would make all its clients one.
    """
    try:
        address = ip_address(host or "127.0.0.1")
    except ValueError:  # a trusted proxy may forward a name
        return (host or "")[:64]
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address
    if address.is_loopback:
        return None
    if isinstance(address, IPv6Address):
        network = int(address) >> (128 - _SITE_BITS) << (128 - _SITE_BITS)
        return f"{IPv6Address(network)}/{_SITE_BITS}"
    return str(address)
