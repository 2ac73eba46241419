"""How much of a file is read at once, and when reading stops."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLimits:
    """The limits of one reading; the defaults are for files of millions of rows."""

    block_bytes: int = 1 << 24
    chunk_rows: int = 50_000  # of a table, held as texts at once
    hopeless_rows: int = 50_000  # bad rows at the start, after which reading stops
    # Event logs shrink to between a fifth and a thirtieth. A file that unpacks to more than both
    # was made to fill a disk or the memory.
    unpacked_per_byte: int = 200
    unpacked_anyway_bytes: int = 1 << 28


DEFAULT_LIMITS = ReadLimits()
