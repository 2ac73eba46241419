"""The files of a data set: in a folder, in the publisher's zip, or one file alone; unpacked nowhere, gzip read through, whatever a
file is called: browsers unpack some downloads and keep the name.

Knows names and bytes only; decides which folder inside is meant by asking which one holds the
wanted names.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from sources.files.decoding import as_text
from sources.files.magic import NUM_BYTES, expect_text
from sources.source import SourceError

_DEPTH = 3  # the publishers' zips nest one folder, the wheels two
_BLOCK_BYTES = 1 << 24
_BROKEN = (
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    EOFError,
    OSError,
    RuntimeError,
)  # the last: a zip with a password
BOM = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"
_OFFICE = "[Content_Types].xml"
_FIRST_BYTES = 1 << 20
# Event logs shrink to a fifth or a thirtieth. A file that unpacks to more than this was made to
# fill a disk or the memory.
_UNPACKED_PER_BYTE = 200
_UNPACKED_ANYWAY_BYTES = 1 << 28


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFolder:
    """One folder of files, wherever it lies. `chosen` is the file that the user named, if it was one; the folder's others are there too."""

    where: str
    names: frozenset[str]
    open_raw: Callable[[str], BinaryIO]
    packed_bytes: Callable[[str], int]
    chosen: str | None = None

    def path_of(self, name: str) -> str:
        """Return what messages call a file."""
        return f"{self.where}/{name}"

    def find(self, name: str) -> str | None:
        """Return the name of a file that may lie here gzipped or in capitals, the chosen one before others; None when there is none."""
        found = self._called(name)
        return self.chosen if self.chosen in found else next(iter(found), None)

    def sole(self, name: str) -> str | None:
        """Return what `find` does; raise SourceError when it lies here several times, in contents that differ, and none was chosen."""
        found = self._called(name)
        if (
            len(found) > 1
            and self.chosen not in found
            and len({self._digest(one) for one in found}) > 1
        ):
            raise SourceError(
                self.where,
                found=f"{' and '.join(found)}, which differ",
                expected="one of them; put the others elsewhere",
            )
        return self.find(name)

    def _called(self, name: str) -> list[str]:
        return sorted(one for one in self.names if one.lower() in (name, f"{name}.gz"))

    def _digest(self, name: str) -> bytes:
        digest = hashlib.sha256()
        for block in self.raw_blocks(name):
            digest.update(block)
        return digest.digest()

    def raw_blocks(self, name: str) -> Iterator[bytes]:
        """Yield a file's content in blocks, unpacked; raise SourceError when it can't be read or unpacks to far too much."""
        num_bytes = 0
        try:
            with _unpacked(self.open_raw(name)) as stream:
                while block := stream.read(_BLOCK_BYTES):
                    num_bytes += len(block)
                    self._expect_sane_size(name, num_bytes)
                    yield block
        except _BROKEN as error:
            raise self.damaged(name, error) from error

    def _expect_sane_size(self, name: str, num_bytes: int) -> None:
        """Raise SourceError when so many bytes came out of a file that it was made to fill the memory."""
        packed_bytes = self.packed_bytes(name)
        if num_bytes > max(_UNPACKED_ANYWAY_BYTES, packed_bytes * _UNPACKED_PER_BYTE):
            found = f"over {num_bytes >> 20:,} MiB packed in {packed_bytes:,} bytes"
            expected = f"at most {_UNPACKED_PER_BYTE} times its packed size; unpack it yourself if that is meant"
            raise SourceError(self.path_of(name), found=found, expected=expected)

    def depth(self) -> int:
        """Count the folders above this one."""
        return len(PurePosixPath(self.where).parts)

    def first_line(self, name: str) -> str:
        """Return the first line of a file without its end."""
        return next(iter(self.first_lines(name, 1)), "")

    def first_lines(self, name: str, n: int) -> list[str]:
        """Return the first n lines of a file without their ends, fewer when it has fewer, or one that is far too long: it is the last."""
        try:
            with _unpacked(self.open_raw(name)) as stream:
                lines = _start_of(stream, n)
        except _BROKEN as error:
            raise self.damaged(name, error) from error
        lines[:1] = [line.removeprefix(BOM) for line in lines[:1]]
        return [as_text(line).rstrip("\r\n") for line in lines]

    def expect_text(self, name: str) -> None:
        """Raise SourceError for a file that is no text, nor Parquet by its name."""
        try:
            with _unpacked(self.open_raw(name)) as stream:
                start = stream.read(NUM_BYTES)
        except _BROKEN as error:
            raise self.damaged(name, error) from error
        expect_text(self.path_of(name), start)

    def damaged(self, name: str, error: Exception) -> SourceError:
        """Return what to raise for a file that can't be read."""
        return _unreadable(self.path_of(name), error, "an undamaged file; fetch it again")


def data_folders(path: Path) -> Iterator[DataFolder]:
    """Yield the folders at a path, outermost first: the folder and those in it, or those in a zip, or a file's own; raise SourceError."""
    try:
        if path.is_dir():
            yield from _in_folder(path)
        elif path.is_file() and (path.suffix.lower() == ".zip" or zipfile.is_zipfile(path)):
            yield from _in_zip(path, PurePosixPath())
        elif path.is_file():
            yield _folder(path.parent, chosen=path.name)
        elif (
            archive := next(
                (one for one in path.parents if one.is_file() and zipfile.is_zipfile(one)), None
            )
        ) is not None:
            yield from _in_zip(archive, PurePosixPath(path.relative_to(archive)))
        else:
            raise SourceError(
                str(path), expected="a folder, a file or a zip file; there is nothing"
            )
    except OSError as error:
        raise _unreadable(str(path), error, "a folder, a file or a zip file") from error


def _in_folder(path: Path) -> Iterator[DataFolder]:
    """Yield a folder and those in it; one inside that may not be read, `lost+found` perhaps, is passed over."""
    folders = [path]
    yield _folder(path)
    for _ in range(_DEPTH):
        folders = [
            child
            for folder in folders
            for child in sorted(folder.iterdir())
            if _is_open(child) and not _is_hidden(child.name)
        ]
        yield from map(_folder, folders)


def _in_zip(path: Path, inside: PurePosixPath) -> Iterator[DataFolder]:
    """Yield the folders of a zip, or those at a path inside it; of a file inside its folder."""
    try:
        archive = zipfile.ZipFile(path)
    except _BROKEN as error:
        raise _unreadable(
            str(path), error, "a zip file; fetch it again if the download broke off"
        ) from error
    if _OFFICE in archive.namelist():
        raise SourceError(
            str(path),
            found="an Office document, an Excel workbook perhaps",
            expected="text; save it as CSV",
        )
    entries: dict[PurePosixPath, dict[str, str]] = {}
    for entry in archive.infolist():
        file = PurePosixPath(
            entry.filename.replace("\\", "/")
        )  # .\ml\ratings.csv and ./ml//ratings.csv are ml/ratings.csv
        if not (entry.is_dir() or _is_hidden(file.name) or "__MACOSX" in file.parts):
            entries.setdefault(file.parent, {})[file.name] = entry.filename
    for folder in sorted(entries, key=lambda one: (len(one.parts), str(one))):
        chosen = inside.name if folder == inside.parent and inside.name in entries[folder] else None
        if chosen or folder.is_relative_to(inside):
            where, names = str(PurePosixPath(str(path)) / folder), frozenset(entries[folder])
            opener, sizes = (
                _zip_opener(archive, entries[folder]),
                _zip_sizes(archive, entries[folder]),
            )
            yield DataFolder(
                where=where, names=names, open_raw=opener, packed_bytes=sizes, chosen=chosen
            )


def _unreadable(path: str, error: Exception, expected: str) -> SourceError:
    if isinstance(error, PermissionError):
        return SourceError(
            str(error.filename or path), expected="the permission to read it; there is none"
        )
    if isinstance(error, RuntimeError) and "encrypt" in str(error):
        return SourceError(
            path,
            found="an encrypted file in the zip",
            expected="one without a password; unpack it first",
        )
    return SourceError(path, found=f"{type(error).__name__}: {error}", expected=expected)


def _folder(folder: Path, chosen: str | None = None) -> DataFolder:
    names = frozenset(
        child.name for child in folder.iterdir() if child.is_file() and not _is_hidden(child.name)
    )
    return DataFolder(
        where=str(folder),
        names=names,
        open_raw=lambda name: (folder / name).open("rb"),
        packed_bytes=lambda name: (folder / name).stat().st_size,
        chosen=chosen,
    )


def _is_open(folder: Path) -> bool:
    return os.access(folder, os.R_OK | os.X_OK) and folder.is_dir()


def _is_hidden(name: str) -> bool:
    return name.startswith(".")


def _zip_opener(archive: zipfile.ZipFile, entries: Mapping[str, str]) -> Callable[[str], BinaryIO]:
    return lambda name: archive.open(entries[name])  # type: ignore[return-value]  # an IO[bytes] without fileno


def _start_of(stream: BinaryIO, n: int) -> list[bytes]:
    lines: list[bytes] = []
    while len(lines) < n and (line := stream.readline(_FIRST_BYTES)):
        lines.append(line)
        if len(line) == _FIRST_BYTES:
            break
    return lines


def _zip_sizes(archive: zipfile.ZipFile, entries: Mapping[str, str]) -> Callable[[str], int]:
    return lambda name: archive.getinfo(entries[name]).compress_size


@contextmanager
def _unpacked(raw: BinaryIO) -> Iterator[BinaryIO]:
    with raw:
        start = raw.read(len(_GZIP))
        raw.seek(0)
        if start != _GZIP:
            yield raw
            return
        with gzip.GzipFile(fileobj=raw) as stream:
            yield stream  # type: ignore[misc]  # a BufferedIOBase, which is what we need of a BinaryIO
