"""Bytes of text: UTF-8, or Windows-1252, of which Latin-1's letters are a part."""

from __future__ import annotations

_WINDOWS = {
    code: shown for code in range(0x80, 0xA0) if (shown := bytes([code]).decode("cp1252", "ignore"))
}


def as_text(line: bytes) -> str:
    """Decode a line: UTF-8, and Windows-1252 when it is none, in which five bytes that it leaves open are as in Latin-1."""
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("latin-1").translate(_WINDOWS)
