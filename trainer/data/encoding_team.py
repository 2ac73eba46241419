"""Encoding of texts and pictures that all ranks of a training do together.

The first rank knows what has to be encoded; the others wait for their share. The batches are those
of a single rank, so the vectors are the same for any number of ranks.

B  values in a batch      M  values      R  raw vector
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from recommender.encoder.encoder_source import EncoderError
from trainer.machine import distributed

log = logging.getLogger(__name__)

Encode = Callable[[Sequence[Any]], Tensor]
BATCHES_AT_ONCE = 64  # of each rank in an exchange, so that no rank holds all values twice
FEWEST_BATCHES = 4  # for each rank; for less it would load an encoder for nothing


class EncoderPlace(Protocol):
    """What another rank needs to load an encoder; hashable, and it can be pickled."""

    def load(self) -> Encode:
        """Load the encoder; raise EncoderError, OSError or ValueError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _EncodingShare:
    """What a rank is to encode: whole batches, the last of them perhaps smaller."""

    place: EncoderPlace
    values: Sequence[Any]


class EncodingTeam:
    """All ranks of a training. Alone, or when the first does not lead, it encodes by itself.

    `alive` is called often while it encodes.
    """

    def __init__(self, alive: Callable[[], None] = lambda: None) -> None:
        self._able: list[int] = [0]
        self._alive = alive

    @contextmanager
    def lead(self) -> Iterator[None]:
        """Have the other ranks assist while the block runs; for the first rank."""
        num_ranks = distributed.num_ranks()
        self._able = list(range(num_ranks))
        yield
        self._able = [0]
        distributed.scatter([None] * num_ranks)

    def assist(self) -> None:
        """Encode what the first rank asks for, until it needs no more."""
        loaded: dict[EncoderPlace, Encode | None] = {}
        while (asked := _next_share()) is not None:
            if asked.values and asked.place not in loaded:
                loaded[asked.place] = _load(asked.place)
            encode = loaded.get(asked.place)
            distributed.from_all(encode(asked.values) if encode and asked.values else None)

    def encode(
        self, place: EncoderPlace, encode: Encode, values_M: Sequence[Any], *, batch_size: int
    ) -> Tensor:
        """Return the vectors_MR of values, in their order; `encode` is this rank's encoder.

        It cuts batches of `batch_size` in the order given.
        """
        if len(values_M) < len(self._able) * FEWEST_BATCHES * batch_size:
            return encode(values_M)
        at_once = len(self._able) * BATCHES_AT_ONCE * batch_size
        sections = [values_M[first : first + at_once] for first in range(0, len(values_M), at_once)]
        return torch.cat([self._section(place, encode, one, batch_size) for one in sections])

    def _section(
        self, place: EncoderPlace, encode: Encode, values: Sequence[Any], batch_size: int
    ) -> Tensor:
        self._alive()
        if self._able == [0]:
            return encode(values)
        shares = dict(zip(self._able, split(len(values), batch_size, len(self._able)), strict=True))
        wanted = [
            [values[at] for at in shares.get(rank, ())] for rank in range(distributed.num_ranks())
        ]
        distributed.scatter([_EncodingShare(place=place, values=one) for one in wanted])
        found = distributed.from_all(encode(wanted[0]))
        parts = {}
        for rank, share in shares.items():
            vectors = found[rank]
            if vectors is None and share:
                log.warning("rank %d cannot encode, the first one does", rank)
                self._able = [one for one in self._able if one != rank]
                vectors = encode(wanted[rank])
            parts[rank] = vectors
        return join_shares(list(shares.values()), [parts[rank] for rank in shares])


def split(num_values: int, batch_size: int, num_shares: int) -> list[list[int]]:
    """Return the places of each share's values: whole batches in turn."""
    batches = [
        range(first, min(first + batch_size, num_values))
        for first in range(0, num_values, batch_size)
    ]
    return [
        [place for one in batches[share::num_shares] for place in one]
        for share in range(num_shares)
    ]


def join_shares(shares: Sequence[Sequence[int]], vectors: Sequence[Tensor | None]) -> Tensor:
    """Return the vectors_MR of all shares, in the order of the values."""
    filled = [
        (share, one)
        for share, one in zip(shares, vectors, strict=True)
        if share and one is not None
    ]
    num_values = sum(len(share) for share, _ in filled)
    vectors_MR = torch.empty(num_values, filled[0][1].shape[1])
    for share, one in filled:
        vectors_MR[list(share)] = one
    return vectors_MR


def _next_share() -> _EncodingShare | None:
    asked: _EncodingShare | None = distributed.scatter(None)
    return asked


def _load(place: EncoderPlace) -> Encode | None:
    try:
        return place.load()
    except (EncoderError, OSError, ValueError) as error:
        log.warning("this rank cannot encode: %s", error)
        return None
