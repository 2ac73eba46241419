"""What a `torchserve:` URL names: one node or several, each with its management port, its inference port and its key file.

    torchserve://127.0.0.1:8081/rec?inference=8080
    torchserve://a:8081,b:8081/rec?inference=8080                   the same inference port on each
    torchserve://a,b:9081/rec?inference=8080,9080&keys=/a.json,/b.json    one for each, in their order

Knows the form; does not know what is asked of a node.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote

EXPECTED = (
    "torchserve://HOST:MANAGEMENT_PORT/MODEL?inference=PORT, with &keys=/PATH where its tokens are on; "
    "several nodes as HOST:PORT,HOST:PORT, with one inference port and key file for all or one for each in their order"
)
_FORM = re.compile(r"torchserve://([^/?#]+)/([^/?#]+)/?(?:\?([^#]*))?")
_PLACE = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:@\s]+)(?::([0-9]{1,5}))?")
_MANAGEMENT, _INFERENCE = "8081", "8080"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One TorchServe and one model name on it. `keys` is its key file, None where its tokens are off; an IPv6 host is in brackets."""

    host: str
    management_port: int
    inference_port: int
    model: str
    keys: Path | None

    @property
    def address(self) -> str:
        """What tells it from the other nodes, in messages and figures."""
        return f"{self.host}:{self.management_port}"

    @property
    def management(self) -> str:
        """The root of its management API."""
        return f"http://{self.host}:{self.management_port}"

    @property
    def predictions(self) -> str:
        """Where its default version answers; a version of its own is one `/VERSION` further."""
        return f"http://{self.host}:{self.inference_port}/predictions/{quote(self.model, safe='')}"


def parse_nodes(url: str) -> tuple[Node, ...]:
    """Return the nodes in the URL's order; raise ValueError, which says what was expected."""
    form = _FORM.fullmatch(url)
    if form is None:
        raise ValueError(EXPECTED)
    places = [_PLACE.fullmatch(place) for place in form[1].split(",")]
    options = parse_qs(form[3] or "", keep_blank_values=True)
    inference = _one_each(options.pop("inference", [_INFERENCE])[-1], len(places))
    keys = _one_each(options.pop("keys", [""])[-1], len(places)) if "keys" in options else [None] * len(places)
    if options or any(path is not None and not path.startswith("/") for path in keys):
        raise ValueError(EXPECTED)
    nodes = []
    for place, inference_port, path in zip(places, inference, keys, strict=True):
        if place is None:
            raise ValueError(EXPECTED)
        ports = (_port(place[2] or _MANAGEMENT), _port(inference_port))
        file = None if path is None else Path(path)
        nodes.append(Node(host=place[1], management_port=ports[0], inference_port=ports[1], model=unquote(form[2]), keys=file))
    if len({node.address for node in nodes}) < len(nodes):
        raise ValueError(EXPECTED)
    return tuple(nodes)


def _one_each(text: str, number: int) -> list[str]:
    parts = text.split(",")
    if len(parts) not in (1, number):
        raise ValueError(EXPECTED)
    return parts if len(parts) == number else parts * number


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65_536:
        raise ValueError(EXPECTED)
    return int(text)
