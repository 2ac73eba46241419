"""A folder or a bucket that all machines of a training reach, by pyarrow.

    file:///srv/freshet/trainings/17
    s3://freshet/trainings/17?endpoint_override=127.0.0.1:9000&scheme=http&region=us-east-1

Keys of a bucket come from the environment or the machine's role, never from the URI. Errors are
OSError.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from pyarrow.fs import FileSelector, FileSystem, FileType, LocalFileSystem

from trainer.machine.retries import RetryPolicy, call_with_retries

Result = TypeVar("Result")
_CHUNK_BYTES = 1 << 20
_UNFINISHED = ".unfinished"
_PATIENCE = RetryPolicy(
    may_pass=lambda error: (
        isinstance(error, OSError) and not isinstance(error, FileNotFoundError | PermissionError)
    ),
    first_pause_s=1.0,
    longest_pause_s=15.0,
    limit_s=300.0,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStore:
    """Files by name, such as `snapshot/events.parquet`, below one place of a file system."""

    files: FileSystem
    root: str

    def put(self, source: Path, name: str) -> None:
        """Store a file under a name; readers see all of it or what was there before."""
        target = f"{self.root}/{name}"
        is_local = isinstance(self.files, LocalFileSystem)
        written = target + _UNFINISHED if is_local else target
        if is_local:
            self.files.create_dir(target.rpartition("/")[0])
        with source.open("rb") as reader, self.files.open_output_stream(written) as writer:
            shutil.copyfileobj(reader, writer, _CHUNK_BYTES)
        if is_local:
            self.files.move(written, target)

    def put_tree(self, folder: Path, name: str, *, last: str | None = None) -> None:
        """Store all files of a folder; the one named `last` only when the others are there."""
        paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        for path in sorted(paths, key=lambda one: one == folder / (last or "")):
            self.put(path, f"{name}/{path.relative_to(folder)}")

    def fetch(self, name: str, target: Path) -> None:
        """Write a stored file to a path, whose folder is made; raise FileNotFoundError."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with (
            self.files.open_input_stream(f"{self.root}/{name}") as reader,
            target.open("wb") as writer,
        ):
            shutil.copyfileobj(reader, writer, _CHUNK_BYTES)

    def fetch_tree(self, name: str, folder: Path) -> None:
        """Write all stored files below a name to a folder."""
        for one in self.names(name):
            self.fetch(one, folder / one.removeprefix(f"{name}/"))

    def text(self, name: str) -> str | None:
        """Return the text of a small stored file; None if it is not there."""
        if not self.has(name):
            return None
        with self.files.open_input_stream(f"{self.root}/{name}") as reader:
            return bytes(reader.read()).decode()

    def names(self, name: str) -> list[str]:
        """Return the names of the stored files below one, in order; none if it is not there."""
        selector = FileSelector(f"{self.root}/{name}", recursive=True, allow_not_found=True)
        found = [one.path for one in self.files.get_file_info(selector) if one.is_file]
        names = [path.removeprefix(f"{self.root}/") for path in found]
        return sorted(one for one in names if not one.endswith(_UNFINISHED))

    def has(self, name: str) -> bool:
        """Return whether a file of this name is stored."""
        info = self.files.get_file_info(f"{self.root}/{name}")
        return bool(info.type == FileType.File)

    def delete(self, name: str) -> None:
        """Delete a stored file, if it is there."""
        if self.has(name):
            self.files.delete_file(f"{self.root}/{name}")

    def delete_all(self) -> None:
        """Delete everything."""
        if self.names("") or isinstance(self.files, LocalFileSystem):
            self.files.delete_dir_contents(self.root, missing_dir_ok=True)


def open_store(uri: str) -> FileStore:
    """Open the store that a URI names; raise OSError or ValueError."""
    files, root = FileSystem.from_uri(uri)
    return FileStore(files=files, root=root.rstrip("/"))


def below(uri: str, name: str) -> str:
    """Return the URI of a place below another one."""
    parts = urlsplit(uri)
    return parts._replace(path=f"{parts.path.rstrip('/')}/{name}").geturl()


def patiently(call: Callable[[], Result]) -> Result:
    """Return the result of a call to a store, which may be away for some minutes."""
    return call_with_retries(_PATIENCE, call)
