"""The content of one file, in blocks of whole lines, with a digest and a progress bar."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import SpooledTemporaryFile
from typing import IO

from recommender.long_work import progress_bar
from sources.files.folders import BOM, DataFolder
from sources.files.limits import ReadLimits
from sources.files.magic import expect_text
from sources.files.on_disk import disk_folder
from sources.source import SourceError

_IN_MEMORY_BYTES = 1 << 26
MAX_LINE_BYTES = 1 << 24  # a record has at most 256 KiB, a review with its pictures less than 1 MiB


class Blocks:
    """Yields a file's content in blocks of whole lines, without a byte order mark.

    `sha256` is complete after all was read. Reading that takes long shows its progress.
    """

    def __init__(self, folder: DataFolder, name: str) -> None:
        self._folder = folder
        self._name = name
        self._digest = hashlib.sha256()

    @property
    def limits(self) -> ReadLimits:
        """The limits of reading the file."""
        return self._folder.limits

    @property
    def sha256(self) -> str:
        """The digest of the unpacked content read so far, in hex."""
        return self._digest.hexdigest()

    @contextmanager
    def open_whole(self) -> Iterator[IO[bytes]]:
        """Open the unpacked content of a file that does not consist of lines."""
        with SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES, dir=disk_folder()) as content:
            for block in self._read_with_progress():
                self._digest.update(block)
                content.write(block)
            content.seek(0)
            yield content

    def __iter__(self) -> Iterator[bytes]:
        rest, num_lines = b"", 0
        for number, block in enumerate(self._read_with_progress()):
            self._digest.update(block)
            if number == 0:
                expect_text(self._folder.path_of(self._name), block)
            text = block.removeprefix(BOM) if number == 0 else block
            end = text.rfind(b"\n") + 1
            if len(rest) + (text.find(b"\n") if end else len(text)) > MAX_LINE_BYTES:
                found = f"a line of over {MAX_LINE_BYTES >> 20} MiB"
                raise SourceError(
                    self._folder.path_of(self._name),
                    line=num_lines + 1,
                    found=found,
                    expected="a row a line; is it text?",
                )
            if end == 0:
                rest += text
                continue
            yield rest + text[:end]
            num_lines += text.count(b"\n")
            rest = text[end:]
        if rest:
            yield rest

    def _read_with_progress(self) -> Iterator[bytes]:
        with progress_bar(f"reading {self._name}", unit="B", is_passing=True) as bar:
            for block in self._folder.raw_blocks(self._name):
                bar.update(len(block))
                yield block


def numbered_lines(blocks: Blocks) -> Iterator[list[tuple[int, bytes]]]:
    """Yield each block's lines with their numbers."""
    num_before = 0
    for block in blocks:
        lines = list(enumerate(io.BytesIO(block), start=num_before + 1))
        num_before += len(lines)
        yield lines
