"""Refuses files that are not text, by their first bytes, and says what to do about each.

gzip is not listed here, because it is unpacked while reading.
"""

from __future__ import annotations

from sources.source import SourceError

PARQUET = (".parquet", ".pq")
_UNPACK = "text; unpack it first"
_EXPORT = "text; write it as CSV or as Parquet"
_MAGIC = {
    b"\x28\xb5\x2f\xfd": ("a file packed with zstd", _UNPACK),
    b"\xfd7zXZ\0": ("a file packed with xz", _UNPACK),
    b"BZh": ("a file packed with bzip2", _UNPACK),
    b"\x04\x22\x4d\x18": ("a file packed with lz4", _UNPACK),
    b"\x1f\x8b": ("gzip in gzip", "text; unpack it once"),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", _UNPACK),
    b"Rar!": ("a RAR archive", _UNPACK),
    b"PK\3\4": ("a zip archive, or an Excel workbook", "text; unpack it, or save it as CSV"),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook", "text; save it as CSV"),
    b"PAR1": ("a Parquet file", "text; name it .parquet, unpacked"),
    b"ARROW1": ("a Feather file", _EXPORT),
    b"FEA1": ("a Feather file", _EXPORT),
    b"ORC": ("an ORC file", _EXPORT),
    b"Obj\1": ("an Avro file", _EXPORT),
    b"\x89HDF": ("an HDF5 file", _EXPORT),
    b"SQLite format 3\0": ("an SQLite database", _EXPORT),
    b"\xff\xfe": ("UTF-16", "UTF-8; save it as UTF-8"),
    b"\xfe\xff": ("UTF-16", "UTF-8; save it as UTF-8"),
}
_TAR = slice(257, 262), b"ustar"
NUM_BYTES = 512
_CONTROLS = bytes(code for code in range(32) if code not in b"\t\n\r")


def expect_text(path: str, start: bytes) -> None:
    """Raise SourceError if a file's start is not text, nor Parquet with a Parquet name.

    A text may start with letters such as ORC.
    """
    start = start[:NUM_BYTES]
    if start[_TAR[0]] == _TAR[1]:
        raise SourceError(path, found="a tar archive", expected=_UNPACK)
    for magic, (what, remedy) in _MAGIC.items():
        is_one = start.startswith(magic) and (
            not magic.isascii() or start.translate(None, _CONTROLS) != start
        )
        if is_one and not (magic == b"PAR1" and path.lower().endswith(PARQUET)):
            raise SourceError(path, found=what, expected=remedy)
