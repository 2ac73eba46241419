"""Checkpoints of a training, from which it goes on where it was, within an epoch too.

The newest two are kept. Each has a checksum of its tensors, and one that is damaged is as if it
were not there. On a disk that is full the training goes on without.
"""

from __future__ import annotations

import logging
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from trainer.candidate_files import CHECKPOINT_BEFORE, NEWEST_CHECKPOINT
from trainer.codec import decode, encode
from trainer.learning.learned import EpochResult
from trainer.learning.trainee import Trainee
from trainer.machine import distributed
from trainer.machine.durable_files import replacing

MAX_SHARE = 0.02  # of a training's time: large checkpoints come less often
_MODEL, _OPTIMIZER, _ENCODER = "model.", "optimizer.", "encoder."

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """How far a training came: its finished epochs, and what it did of the next one.

    `loss_sum` is of the `num_steps` steps of that epoch, `effective_size` as in EpochResult.
    """

    epochs: tuple[EpochResult, ...] = ()
    num_steps: int = 0
    loss_sum: float = 0.0
    effective_size: float | None = None


class Checkpoints:
    """The checkpoints of one run, in a folder. Only the first rank reads and writes them.

    `key` identifies the snapshot and the configuration; files with another key are ignored.
    `every_s` are the seconds between two, or more, so that they take at most `max_share` of the
    time.
    """

    def __init__(
        self, folder: Path, *, key: str, every_s: float, max_share: float = MAX_SHARE
    ) -> None:
        self._folder = folder
        self._key = key
        self._every_s = every_s
        self._max_share = max_share
        self._due_s = time.monotonic() + every_s
        self.took_s = 0.0  # all that were written, without those of earlier starts

    def is_due(self) -> bool:
        """Return whether it is time for the next one, on the first rank."""
        return distributed.rank() == 0 and time.monotonic() >= self._due_s

    def save(self, trainee: Trainee, reached: Reached) -> None:
        """Write the newest one between two steps, or say why that is impossible now.

        Every rank calls it: of weights that are divided, each gives its part.
        """
        began_s = time.monotonic()
        of_source = trainee.source.state()
        if distributed.rank() != 0:
            return
        try:
            self._write(_tensors_of(trainee, of_source), reached)
        except (OSError, SafetensorError) as error:
            log.warning("no checkpoint was written, the training goes on: %s", error)
        took_s = time.monotonic() - began_s
        self.took_s += took_s
        self._due_s = began_s + max(self._every_s, took_s / self._max_share)

    def load(self, trainee: Trainee) -> Reached:
        """Restore the trainee, on every rank, and return how far it came.

        Change nothing when there is no checkpoint, or none is whole and of this run.
        """
        read = self._read() if distributed.rank() == 0 else None
        reached = distributed.from_first(lambda: (read and read[0],))[0]
        if reached is None:
            return Reached()
        tensors = read[1] if read is not None else {}
        model, optimizer = distributed.from_first(
            lambda: (_without_prefix(_MODEL, tensors), _without_prefix(_OPTIMIZER, tensors))
        )
        trainee.model.load_state_dict(model)
        trainee.optimizer.resume(optimizer)
        trainee.source.load(_without_prefix(_ENCODER, tensors))
        return reached

    def _write(self, tensors: Mapping[str, Tensor], reached: Reached) -> None:
        newest = self._folder / NEWEST_CHECKPOINT
        metadata = {"key": self._key, "reached": encode(reached), "crc32": _checksum(tensors)}
        with replacing(newest, durable=False) as unfinished:
            save_file(dict(tensors), unfinished, metadata=metadata)
            if newest.exists():
                newest.replace(self._folder / CHECKPOINT_BEFORE)

    def _read(self) -> tuple[Reached, dict[str, Tensor]] | None:
        """Return the newest that is whole; delete those that are not."""
        for name in (NEWEST_CHECKPOINT, CHECKPOINT_BEFORE):
            path = self._folder / name
            try:
                found = self._read_file(path)
            except FileNotFoundError:
                continue
            except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
                log.warning("%s is damaged, the one before is used: %s", path, error)
                found = None
            if found is not None:
                return found
            path.unlink(missing_ok=True)  # else it would replace a whole one
        return None

    def _read_file(self, path: Path) -> tuple[Reached, dict[str, Tensor]] | None:
        """Return what a file holds; None if it is of another run."""
        with safe_open(path, framework="pt") as file:
            metadata, names = file.metadata(), file.keys()  # not a mapping
            tensors = {name: file.get_tensor(name) for name in names}
        if metadata["key"] != self._key:
            return None
        if metadata["crc32"] != _checksum(tensors):
            raise ValueError("its checksum is wrong")
        return decode(metadata["reached"], Reached), tensors


def _tensors_of(trainee: Trainee, of_source: Mapping[str, Tensor]) -> dict[str, Tensor]:
    weights = {name: tensor.detach().cpu() for name, tensor in trainee.model.state_dict().items()}
    return {
        **_with_prefix(_MODEL, weights),
        **_with_prefix(_OPTIMIZER, trainee.optimizer.whole_state()),
        **_with_prefix(_ENCODER, of_source),
    }


def _checksum(tensors: Mapping[str, Tensor]) -> str:
    """Return the CRC-32 of all bytes, in the order of the names."""
    found = 0
    for name in sorted(tensors):
        flat = tensors[name].contiguous().reshape(-1)
        found = zlib.crc32(flat.view(torch.uint8).numpy().data, found)
    return f"{found:08x}"


def _with_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in tensors.items()}


def _without_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
