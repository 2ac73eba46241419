"""Text from bytes: UTF-8, or else Windows-1252."""

from __future__ import annotations

# Windows-1252 differs from Latin-1 in these codes and leaves five of them open.
_WINDOWS = {
    code: letter
    for code in range(0x80, 0xA0)
    if (letter := bytes([code]).decode("cp1252", "ignore"))
}


def as_text(line: bytes) -> str:
    """Decode a line as UTF-8, or else as Windows-1252.

    The five bytes without a meaning in Windows-1252 are decoded as in Latin-1.
    """
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("latin-1").translate(_WINDOWS)
