"""TorchServe's nodes, each with its management port, its inference port and its key file.

    torchserve://127.0.0.1:8081/rec?inference=8080
    torchserve://a:8081,b:8081/rec?inference=8080            the same inference port on each
    torchserve://a,b:9081/rec?inference=8080,9080&keys=/a.json,/b.json    one for each, in order

A node on loopback is managed through its Unix socket in the worker's `store.var`, and so is one
whose socket is named (`&socket=/PATH`); any other node is managed through its management port.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote

from cron.urls.management_socket import is_loopback, management_socket
from cron.urls.wrong_url import WrongUrl

_EXPECTED = (
    "torchserve://HOST:MANAGEMENT_PORT/MODEL?inference=PORT, with &keys=/PATH where its tokens are"
    " on and &socket=/PATH for a management socket that is not in store.var; several nodes as"
    " HOST:PORT,HOST:PORT, with one inference port, key file and socket for all, or one for each in"
    " their order"
)
_FORM = re.compile(r"torchserve://([^/?#]+)/([^/?#]+)/?(?:\?([^#]*))?")
_PLACE = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:@\s]+)(?::([0-9]{1,5}))?")
_MANAGEMENT, _INFERENCE = "8081", "8080"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One TorchServe and one model name on it; an IPv6 host is in brackets.

    `keys` is its key file, None where its tokens are off. `socket` is its management socket, None
    where it is managed over the network.
    """

    host: str
    management_port: int
    inference_port: int
    model: str
    keys: Path | None
    socket: Path | None = None

    @property
    def address(self) -> str:
        """Return the node's name in messages and metrics."""
        return f"{self.host}:{self.management_port}"

    @property
    def management(self) -> str:
        """Return the root of its management API, also for calls through the socket."""
        return f"http://{self.host}:{self.management_port}"

    @property
    def predictions(self) -> str:
        """Return the URL of its default version; append `/VERSION` for another one."""
        return f"http://{self.host}:{self.inference_port}/predictions/{quote(self.model, safe='')}"


def parse(url: str, *, var: Path | None = None) -> tuple[Node, ...]:
    """Return the nodes in the URL's order; raise WrongUrl.

    `var` is the folder in which nodes on loopback have their sockets; without it only named sockets
    are known.
    """
    try:
        return _parse(url, var)
    except ValueError as error:
        raise WrongUrl(url, expected=_EXPECTED, reason=str(error)) from error


def _parse(url: str, var: Path | None) -> tuple[Node, ...]:
    form = _FORM.fullmatch(url)
    if form is None:
        raise ValueError("it has no host or no model, or more than these")
    places = form[1].split(",")
    options = parse_qs(form[3] or "", keep_blank_values=True)
    inference = _one_each("inference", options.pop("inference", [_INFERENCE])[-1], len(places))
    keys, sockets = _paths(options, "keys", len(places)), _paths(options, "socket", len(places))
    if options:
        raise ValueError(f"{next(iter(options))}= is not an option")
    nodes = []
    for place, inference_port, key_file, socket in zip(
        places, inference, keys, sockets, strict=True
    ):
        host, port = _host_and_port(place)
        of_var = management_socket(var, port) if var is not None and is_loopback(host) else None
        nodes.append(
            Node(
                host=host,
                management_port=port,
                inference_port=_port(inference_port),
                model=unquote(form[2]),
                keys=key_file,
                socket=socket or of_var,
            )
        )
    if len({node.address for node in nodes}) < len(nodes):
        raise ValueError("a node is named twice")
    return tuple(nodes)


def _host_and_port(place: str) -> tuple[str, int]:
    found = _PLACE.fullmatch(place)
    if found is None:
        raise ValueError("a node is not a valid HOST:PORT")
    return found[1], _port(found[2] or _MANAGEMENT)


def _paths(options: dict[str, list[str]], name: str, number: int) -> list[Path | None]:
    """Take an option of absolute paths; None for each node when it is not given."""
    if name not in options:
        return [None] * number
    paths = _one_each(name, options.pop(name)[-1], number)
    if not all(path.startswith("/") for path in paths):
        raise ValueError(f"{name}= is an absolute path")
    return [Path(path) for path in paths]


def _one_each(name: str, text: str, number: int) -> list[str]:
    parts = text.split(",")
    if len(parts) not in (1, number):
        raise ValueError(f"{name}= has one value for all nodes, or one for each")
    return parts if len(parts) == number else parts * number


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65_536:
        raise ValueError(f"{text!r} is not a valid port")
    return int(text)
