"""The files of a data set, in a folder or in the publisher's zip, unpacked nowhere.

Knows names and bytes only; decides which folder inside is meant by asking which one holds the wanted names.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from trainer.sources.source import SourceError

_DEPTH = 3  # the publishers' zips nest one folder, the wheels two


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFolder:
    """One folder of files, wherever it lies."""

    where: str
    names: frozenset[str]
    read: Callable[[str], bytes]


def data_folders(path: Path) -> Iterator[DataFolder]:
    """Yield the folders at a path, outermost first: the folder and those in it, or those in a zip; raise SourceError."""
    if path.is_dir():
        yield from _in_folder(path)
    elif path.is_file():
        yield from _in_zip(path)
    else:
        raise SourceError(str(path), expected="a folder or a zip file; there is nothing")


def _in_folder(path: Path) -> Iterator[DataFolder]:
    folders = [path]
    for _ in range(_DEPTH + 1):
        for folder in folders:
            names = frozenset(child.name for child in folder.iterdir() if child.is_file())
            yield DataFolder(where=str(folder), names=names, read=_folder_reader(folder))
        folders = sorted(child for folder in folders for child in folder.iterdir() if child.is_dir() and not child.name.startswith("."))


def _in_zip(path: Path) -> Iterator[DataFolder]:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise SourceError(str(path), found=str(error), expected="a zip file; fetch it again if the download broke off") from error
    with archive:
        names: dict[PurePosixPath, set[str]] = {}
        for entry in archive.infolist():
            if not entry.is_dir():
                inside = PurePosixPath(entry.filename)
                names.setdefault(inside.parent, set()).add(inside.name)
        for folder in sorted(names, key=lambda one: (len(one.parts), str(one))):
            yield DataFolder(where=f"{path}/{folder}", names=frozenset(names[folder]), read=_zip_reader(archive, path, folder))


def _folder_reader(folder: Path) -> Callable[[str], bytes]:
    return lambda name: (folder / name).read_bytes()


def _zip_reader(archive: zipfile.ZipFile, path: Path, folder: PurePosixPath) -> Callable[[str], bytes]:
    def read(name: str) -> bytes:
        try:
            return archive.read(str(folder / name))
        except (zipfile.BadZipFile, EOFError, OSError) as error:
            raise SourceError(f"{path}/{folder / name}", found=str(error), expected="an undamaged zip file; fetch it again") from error

    return read
