"""The digest of a training's encoder, noted for its later starts.

A start that finds all vectors in the cache then loads no language model before it trains. The note
counts only while the encoder's files are the same, by their sizes and times.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from recommender.config import EncoderConfig
from recommender.encoder.encoder_source import EncoderError, find_source
from trainer.codec import decode, encode
from trainer.machine.durable_files import replace_text

NOTE = "encoder.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderFile:
    """A file of an encoder, as it was."""

    name: str
    size_bytes: int
    written_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderNote:
    """The digest of the encoder that a configuration names, and the files that it is of."""

    config: EncoderConfig
    files: tuple[EncoderFile, ...]
    digest: str


def note_digest(folder: Path, config: EncoderConfig, digest: str) -> None:
    """Write the note into a folder of the training, if the encoder is of local files."""
    files = _files(config)
    if files:
        folder.mkdir(parents=True, exist_ok=True)
        note = EncoderNote(config=config, files=files, digest=digest)
        replace_text(folder / NOTE, encode(note), durable=False)


def noted_digest(folder: Path, config: EncoderConfig) -> str | None:
    """Return the digest; None without a note, or if it is of another encoder."""
    try:
        note = decode((folder / NOTE).read_text(encoding="utf-8"), EncoderNote)
    except (OSError, ValueError):
        return None
    files = _files(config)
    is_same = bool(files) and (note.config, note.files) == (config, files)
    return note.digest if is_same else None


def _files(config: EncoderConfig) -> tuple[EncoderFile, ...]:
    """Return the files of a local encoder; none for hashed words, or for one of a hub."""
    try:
        source = find_source(config.model)
        paths = sorted(path for path in Path(source.folder).iterdir() if path.is_file())
        found = [(path.name, path.stat()) for path in paths]
    except (EncoderError, OSError):
        return ()
    return tuple(
        EncoderFile(name=name, size_bytes=stat.st_size, written_ns=stat.st_mtime_ns)
        for name, stat in found
    )
