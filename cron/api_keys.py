"""API keys of the gateway: their roles, how one is drawn, and the digest that is stored.

A key is 256 random bits. Nobody can guess one, so its SHA-256 is as safe to store as a slow hash of
it would be; a slow hash protects passwords, which people choose from few.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args
from urllib.parse import urlsplit

Role = Literal["browser", "write", "read", "operate"]
ROLES: tuple[Role, ...] = get_args(Role)
MAX_NAME_CHARS = 64
SETTING_NAME = "gateway.api_key"  # names the setting's key, and no other, in what is recorded

_PREFIX = "freshet_"  # so that scanners for secrets, and people, recognise one
_RANDOM_BYTES = 32
_USUAL_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key as the ledger stores it. `origins` are the sites whose pages may use a browser key."""

    name: str
    digest: str  # SHA-256, in hexadecimal digits
    roles: tuple[Role, ...]
    origins: tuple[str, ...]
    created_at: datetime
    created_by: str
    revoked_at: datetime | None = None


def draw_key() -> str:
    """Return a new key."""
    return _PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)


def digest_of(key: bytes) -> str:
    """Return the digest of a key as it was sent."""
    return hashlib.sha256(key).hexdigest()


def parse_origin(text: str) -> str:
    """Return an origin as browsers send it, such as `https://shop.example`; raise ValueError."""
    expected = f"{text!r} is not an origin; expected one such as https://shop.example"
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError as error:
        raise ValueError(expected) from error
    has_more = parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme not in _USUAL_PORTS or not parts.hostname or has_more or "*" in text:
        raise ValueError(expected)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    is_usual = port is None or port == _USUAL_PORTS[parts.scheme]
    return f"{parts.scheme}://{host}" + ("" if is_usual else f":{port}")
