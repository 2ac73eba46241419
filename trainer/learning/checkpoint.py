"""The state of a training after each epoch, in a file from which a killed training resumes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from trainer.codec import decode, encode
from trainer.learning.learned import EpochResult
from trainer.learning.trainee import Trainee
from trainer.machine import distributed
from trainer.machine.durable_files import replacing

_MODEL, _OPTIMIZER, _ENCODER = "model.", "optimizer.", "encoder."


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The checkpoint file of one run.

    `key` identifies the snapshot and the configuration; a file with another key is ignored.
    """

    path: Path
    key: str

    def save(self, trainee: Trainee, epochs: list[EpochResult]) -> None:
        """Replace the file in one step; only the first rank writes."""
        if distributed.rank() != 0:
            return
        weights = {
            name: tensor.detach().cpu() for name, tensor in trainee.model.state_dict().items()
        }
        tensors = {
            **_with_prefix(_MODEL, weights),
            **_with_prefix(_OPTIMIZER, trainee.optimizer.state()),
            **_with_prefix(_ENCODER, trainee.source.state()),
        }
        metadata = {"key": self.key, "epochs": encode(epochs)}
        with replacing(self.path, durable=False) as unfinished:
            save_file(tensors, unfinished, metadata=metadata)

    def load(self, trainee: Trainee) -> list[EpochResult]:
        """Restore the trainee and return the results of the finished epochs.

        Return none, and change nothing, when the file is missing, damaged or of another run.
        """
        try:
            with safe_open(self.path, framework="pt") as file:
                metadata = file.metadata()
                if metadata.get("key") != self.key:
                    return []
                names = file.keys()  # not a mapping
            tensors = {name: file.get_tensor(name) for name in names}
        except (OSError, SafetensorError):
            return []
        trainee.model.load_state_dict(_without_prefix(_MODEL, tensors))
        trainee.optimizer.load(_without_prefix(_OPTIMIZER, tensors))
        trainee.source.load(_without_prefix(_ENCODER, tensors))
        return decode(metadata["epochs"], list[EpochResult])


def _with_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in tensors.items()}


def _without_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
