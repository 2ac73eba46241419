"""Finds the files of a data set in a folder, in a zip file, or at a single path.

Nothing is unpacked to disk. gzip is recognised by content and not by name, because browsers unpack
some downloads and keep the name.
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
from sources.files.limits import DEFAULT_LIMITS, ReadLimits
from sources.files.magic import NUM_BYTES, expect_text
from sources.source import SourceError

_DEPTH = 3  # the publishers' zips nest one folder, the wheels two
_BROKEN = (
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    EOFError,
    OSError,
    RuntimeError,  # a zip with a password
)
BOM = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"
_OFFICE = "[Content_Types].xml"
_FIRST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFolder:
    """The files of one folder, on disk or in a zip file.

    `chosen` is the file that the user named, if any; the folder's other files are in `names` too.
    """

    where: str
    names: frozenset[str]
    open_raw: Callable[[str], BinaryIO]
    packed_bytes: Callable[[str], int]
    chosen: str | None = None
    limits: ReadLimits = DEFAULT_LIMITS

    def path_of(self, name: str) -> str:
        """Return a file's name for messages."""
        return f"{self.where}/{name}"

    def find(self, name: str) -> str | None:
        """Return the matching file, perhaps gzipped or in capitals; None if there is none.

        The chosen file takes precedence.
        """
        found = self._matching_names(name)
        return self.chosen if self.chosen in found else next(iter(found), None)

    def sole(self, name: str) -> str | None:
        """Return what `find` returns; raise SourceError for several files that differ.

        A chosen file settles which one is meant.
        """
        found = self._matching_names(name)
        if (
            len(found) > 1
            and self.chosen not in found
            and len({self._digest(one) for one in found}) > 1
        ):
            raise SourceError(
                self.where,
                found=f"{' and '.join(found)}, which differ",
                expected="one of them; move the others elsewhere",
            )
        return self.find(name)

    def _matching_names(self, name: str) -> list[str]:
        return sorted(one for one in self.names if one.lower() in (name, f"{name}.gz"))

    def _digest(self, name: str) -> bytes:
        digest = hashlib.sha256()
        for block in self.raw_blocks(name):
            digest.update(block)
        return digest.digest()

    def raw_blocks(self, name: str) -> Iterator[bytes]:
        """Yield a file's unpacked content in blocks; raise SourceError if it can't be read.

        A file that unpacks to far too much raises SourceError too.
        """
        num_bytes = 0
        try:
            with _open_unpacked(self.open_raw(name)) as stream:
                while block := stream.read(self.limits.block_bytes):
                    num_bytes += len(block)
                    self._expect_sane_size(name, num_bytes)
                    yield block
        except _BROKEN as error:
            raise self.damaged_file(name, error) from error

    def _expect_sane_size(self, name: str, num_bytes: int) -> None:
        """Raise SourceError if a file unpacks to more than real data would."""
        packed_bytes, per_byte = self.packed_bytes(name), self.limits.unpacked_per_byte
        if num_bytes > max(self.limits.unpacked_anyway_bytes, packed_bytes * per_byte):
            found = f"over {num_bytes >> 20:,} MiB packed in {packed_bytes:,} bytes"
            expected = (
                f"at most {per_byte} times its packed size; unpack it yourself if it is correct"
            )
            raise SourceError(self.path_of(name), found=found, expected=expected)

    def depth(self) -> int:
        """Return the number of folders above this one."""
        return len(PurePosixPath(self.where).parts)

    def first_line(self, name: str) -> str:
        """Return the first line of a file, without its line break."""
        return next(iter(self.first_lines(name, 1)), "")

    def first_lines(self, name: str, n: int) -> list[str]:
        """Return up to n first lines of a file, without their line breaks.

        Reading stops after a line that is far too long.
        """
        try:
            with _open_unpacked(self.open_raw(name)) as stream:
                lines = _start_of(stream, n)
        except _BROKEN as error:
            raise self.damaged_file(name, error) from error
        lines[:1] = [line.removeprefix(BOM) for line in lines[:1]]
        return [as_text(line).rstrip("\r\n") for line in lines]

    def expect_text(self, name: str) -> None:
        """Raise SourceError unless a file is text, or Parquet by its name."""
        try:
            with _open_unpacked(self.open_raw(name)) as stream:
                start = stream.read(NUM_BYTES)
        except _BROKEN as error:
            raise self.damaged_file(name, error) from error
        expect_text(self.path_of(name), start)

    def damaged_file(self, name: str, error: Exception) -> SourceError:
        """Return the error for a file that can't be read."""
        return _unreadable(self.path_of(name), error, "an undamaged file; fetch it again")


def data_folders(path: Path, limits: ReadLimits = DEFAULT_LIMITS) -> Iterator[DataFolder]:
    """Yield the folders at a path, outermost first; raise SourceError.

    A folder or zip file gives itself and the folders inside. A file gives its own folder.
    """
    try:
        if path.is_dir():
            yield from _in_folder(path, limits)
        elif path.is_file() and (path.suffix.lower() == ".zip" or zipfile.is_zipfile(path)):
            yield from _in_zip(path, PurePosixPath(), limits)
        elif path.is_file():
            yield _folder(path.parent, limits, chosen=path.name)
        elif (
            archive := next(
                (one for one in path.parents if one.is_file() and zipfile.is_zipfile(one)), None
            )
        ) is not None:
            yield from _in_zip(archive, PurePosixPath(path.relative_to(archive)), limits)
        else:
            raise SourceError(
                str(path), expected="a folder, a file or a zip file; nothing is there"
            )
    except OSError as error:
        raise _unreadable(str(path), error, "a folder, a file or a zip file") from error


def _in_folder(path: Path, limits: ReadLimits) -> Iterator[DataFolder]:
    """Yield a folder and those inside it; unreadable ones, such as `lost+found`, are skipped."""
    folders = [path]
    yield _folder(path, limits)
    for _ in range(_DEPTH):
        folders = [
            child
            for folder in folders
            for child in sorted(folder.iterdir())
            if _is_open(child) and not _is_hidden(child.name)
        ]
        for folder in folders:
            yield _folder(folder, limits)


def _in_zip(path: Path, inside: PurePosixPath, limits: ReadLimits) -> Iterator[DataFolder]:
    """Yield the folders of a zip file, or those at a path inside it."""
    try:
        archive = zipfile.ZipFile(path)
    except _BROKEN as error:
        raise _unreadable(
            str(path), error, "a zip file; fetch it again if the download was interrupted"
        ) from error
    if _OFFICE in archive.namelist():
        raise SourceError(
            str(path),
            found="an Office document, perhaps an Excel workbook",
            expected="text; save it as CSV",
        )
    entries: dict[PurePosixPath, dict[str, str]] = {}
    for entry in archive.infolist():
        # .\ml\ratings.csv and ./ml//ratings.csv are ml/ratings.csv.
        file = PurePosixPath(entry.filename.replace("\\", "/"))
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
                where=where,
                names=names,
                open_raw=opener,
                packed_bytes=sizes,
                chosen=chosen,
                limits=limits,
            )


def _unreadable(path: str, error: Exception, expected: str) -> SourceError:
    if isinstance(error, PermissionError):
        return SourceError(str(error.filename or path), expected="a file that this user may read")
    if isinstance(error, RuntimeError) and "encrypt" in str(error):
        return SourceError(
            path,
            found="an encrypted file in the zip",
            expected="one without a password; unpack it first",
        )
    return SourceError(path, found=f"{type(error).__name__}: {error}", expected=expected)


def _folder(folder: Path, limits: ReadLimits, chosen: str | None = None) -> DataFolder:
    names = frozenset(
        child.name for child in folder.iterdir() if child.is_file() and not _is_hidden(child.name)
    )
    return DataFolder(
        where=str(folder),
        names=names,
        open_raw=lambda name: (folder / name).open("rb"),
        packed_bytes=lambda name: (folder / name).stat().st_size,
        chosen=chosen,
        limits=limits,
    )


def _is_open(folder: Path) -> bool:
    return os.access(folder, os.R_OK | os.X_OK) and folder.is_dir()


def _is_hidden(name: str) -> bool:
    return name.startswith(".")


def _zip_opener(archive: zipfile.ZipFile, entries: Mapping[str, str]) -> Callable[[str], BinaryIO]:
    # An IO[bytes] without fileno.
    return lambda name: archive.open(entries[name])  # type: ignore[return-value]


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
def _open_unpacked(raw: BinaryIO) -> Iterator[BinaryIO]:
    with raw:
        start = raw.read(len(_GZIP))
        raw.seek(0)
        if start != _GZIP:
            yield raw
            return
        with gzip.GzipFile(fileobj=raw) as stream:
            # A BufferedIOBase, which has the methods that we use.
            yield stream  # type: ignore[misc]
