"""The pictures of an item, as its record names them. Nothing is fetched or decoded here.

A picture is named by a text with a scheme:

| scheme               | where the picture is                                                      |
|----------------------|---------------------------------------------------------------------------|
| `https://`, `http://`| on a web server                                                           |
| `file:///`           | a file of the worker's machine                                            |
| `data:image/…;base64,` | in the record itself                                                    |
| `artifact:pictures/` | in the artifact store                                                     |

The bytes of a picture in a record go into the artifact store under a name made from their sha256,
so what else holds the record can have the name in their place.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from recommender.records.excerpt import excerpt
from recommender.records.record_fields import InvalidRecord, encodable

MAX_IMAGES = 16
MAX_SOURCE_CHARS = 2_000  # of a name; browsers and servers take no longer URLs
MAX_INLINE_BYTES = 180_000  # of a picture in a record; base64 makes 240,000 of them
INLINE = "data:"
ARTIFACT = "artifact:"
ARTIFACTS = "pictures/"  # the names of pictures in the artifact store begin so
SENT = f"{ARTIFACTS}sent/"  # those that came in records
WEB_SCHEMES = ("https", "http")
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")  # of pictures that are read, as Pillow names them

_INLINE_HEAD = re.compile(r"data:image/(?:png|jpeg|webp|gif|bmp);base64,")
_ARTIFACT_NAME = re.compile(r"pictures/[\w-][\w.-]*(?:/[\w-][\w.-]*)*", re.ASCII)
_BEGINNINGS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF", b"GIF8", b"BM")
_EXPECTED = (
    "an https:// or http:// URL, a file:/// path, a data:image/…;base64 picture or an "
    "artifact:pictures/ name"
)


def read_images(raw: object) -> tuple[str, ...]:
    """Return the pictures of a record, each once, the main one first; raise InvalidRecord."""
    if raw is None:
        return ()
    if not isinstance(raw, list | tuple):
        raise InvalidRecord("images", found=raw, expected="a list of pictures, or null")
    if len(raw) > MAX_IMAGES:
        raise InvalidRecord(
            "images", problem=f"{len(raw)} pictures", expected=f"at most {MAX_IMAGES}"
        )
    return tuple(
        dict.fromkeys(_read_source(f"images[{place}]", one) for place, one in enumerate(raw))
    )


def is_web_image(text: str) -> bool:
    """Return whether a text is a URL that `read_images` accepts."""
    return len(text) <= MAX_SOURCE_CHARS and _wrong_url(text) is None


def inline_bytes(source: str) -> bytes | None:
    """Return the bytes of a picture that is in its record; None for one that is elsewhere."""
    if not source.startswith(INLINE):
        return None
    return base64.b64decode(source.partition(",")[2])


def named_images(sources: Iterable[str]) -> tuple[str, ...]:
    """Return the pictures with names in place of bytes."""
    return tuple(dict.fromkeys(_name_of(source) for source in sources))


def artifact_of(source: str) -> str | None:
    """Return the name in the artifact store; None for a picture that is elsewhere."""
    return source.removeprefix(ARTIFACT) if source.startswith(ARTIFACT) else None


def sent_name(content: bytes) -> str:
    """Return the name in the artifact store of a picture that came in a record."""
    return f"{SENT}{hashlib.sha256(content).hexdigest()}"


def web_images(texts: Sequence[str]) -> list[str]:
    """Return those texts that are URLs of pictures, each once, as many as an item may have."""
    return list(dict.fromkeys(text for text in texts if is_web_image(text)))[:MAX_IMAGES]


def _name_of(source: str) -> str:
    content = inline_bytes(source)
    return source if content is None else f"{ARTIFACT}{sent_name(content)}"


def _read_source(name: str, source: object) -> str:
    if not isinstance(source, str):
        raise InvalidRecord(name, found=source, expected=_EXPECTED)
    if source.startswith(INLINE):
        _check_inline(name, source)
        return source
    if len(source) > MAX_SOURCE_CHARS:
        raise InvalidRecord(
            name,
            problem=f"{len(source):,} characters",
            expected=f"at most {MAX_SOURCE_CHARS:,}",
        )
    problem = _wrong_source(encodable(name, source))
    if problem is not None:
        raise InvalidRecord(name, problem=f"{excerpt(source)}{problem}", expected=_EXPECTED)
    return source


def _check_inline(name: str, source: str) -> None:
    head = _INLINE_HEAD.match(source)
    if head is None:
        expected = "data:image/png;base64, (or jpeg, webp, gif, bmp) and then the picture"
        raise InvalidRecord(name, found=source[:MAX_SOURCE_CHARS], expected=expected)
    try:
        content = base64.b64decode(source[head.end() :], validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRecord(
            name, problem=f"broken base64 ({error})", expected="a picture in base64"
        ) from error
    if len(content) > MAX_INLINE_BYTES:
        raise InvalidRecord(
            name,
            problem=f"a picture of {len(content):,} bytes",
            expected=f"at most {MAX_INLINE_BYTES:,} bytes; send its URL in place of it",
        )
    if not content.startswith(_BEGINNINGS):
        raise InvalidRecord(
            name, problem="bytes that are not a picture", expected="PNG, JPEG, WebP, GIF or BMP"
        )


def _wrong_source(source: str) -> str | None:
    if source.startswith(ARTIFACT):
        is_name = _ARTIFACT_NAME.fullmatch(source.removeprefix(ARTIFACT)) is not None
        return None if is_name else ", which is not the name of a picture in the artifact store"
    if source.startswith("file:"):
        is_path = source.startswith("file:///") and not _has_blanks(source)
        return None if is_path else ", which is not a file:/// URL with an absolute path"
    return _wrong_url(source)


def _wrong_url(source: str) -> str | None:
    """Return what is wrong with a web address, to be put behind it; None for a valid one."""
    if _has_blanks(source):
        return ", which has blanks or control characters (they are percent-encoded in a URL)"
    try:
        parts = urlsplit(source)
        host, user, _ = parts.hostname, parts.username, parts.port
    except ValueError as error:
        return f", which is not a URL ({error})"
    if parts.scheme not in WEB_SCHEMES or not host:
        return ""
    return ", which has a user name or a password" if user is not None else None


def _has_blanks(source: str) -> bool:
    return any(not character.isprintable() or character.isspace() for character in source)
