"""An original: the bytes of a picture at its source, and the marks of their version."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """What a source has, or had: then the bytes are empty.

    `etag` and `modified` are what the source says of this version; None if it does not.
    """

    content: bytes = b""
    etag: str | None = None
    modified: str | None = None
