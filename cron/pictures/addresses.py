"""The addresses of hosts, and which of them are public.

A name that is allowed may lead anywhere by the time it is looked up. So it is looked up once, all
of its addresses are checked, and the connection is made to a checked address.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from cron.errors import BadPicture

Resolve = Callable[[str, int], Sequence[str]]

# IPv6 addresses that stand for IPv4 ones: translation (RFC 6052), 6to4 and Teredo
_TRANSLATED = tuple(map(ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")))


def look_up(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a host as the machine's resolver knows them; raise OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def address_of(host: str, port: int, *, resolve: Resolve, may_be_private: bool) -> str:
    """Return an address of a host to connect to; raise BadPicture.

    A host with one address that is not public is refused, unless it may be private.
    """
    try:
        addresses = resolve(host, port)
    except (OSError, UnicodeError) as error:
        raise BadPicture(f"the host {host} is not found ({error})") from error
    if not addresses:
        raise BadPicture(f"the host {host} has no address")
    private = [] if may_be_private else [one for one in addresses if not is_public(one)]
    if private:
        raise BadPicture(
            f"the host {host} is at the address {private[0]}, which is not public; only hosts of "
            "pictures.private_hosts may be in a private network"
        )
    return addresses[0]


def is_public(address: str) -> bool:
    """Return whether an address belongs to the public internet."""
    try:
        parsed: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address):
        if any(parsed in network for network in _TRANSLATED):
            return False
        parsed = parsed.ipv4_mapped or parsed
    return parsed.is_global and not parsed.is_multicast
