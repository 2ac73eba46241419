"""The memory and time of a step of an encoder in training, and what keeps it small.

    .venv/bin/python -m bench encoder_memory [--texts 32]

All weights of MiniLM get gradients from texts of 128 tokens: at once, in parts of 8, with layers
that are computed again, and both. Each runs in a process of its own, forked from one that has the
model. Memory is the most that the process had during the step, without what it had before.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from bench.report.rows import BenchMetric, save
from recommender.config import EncoderConfig
from recommender.encoder.encoder import TextEncoder, load_encoder
from trainer.learning.recomputed_layers import RecomputedLayers
from trainer.learning.texts_in_parts import TextsInParts

COMMAND = "python -m bench encoder_memory"
PART = 8
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrangement:
    """How the step is taken."""

    name: str
    size: int | None = None
    recomputes: bool = False


ARRANGEMENTS = (
    Arrangement(name="all texts at once"),
    Arrangement(name=f"parts of {PART} texts", size=PART),
    Arrangement(name="recomputed layers", recomputes=True),
    Arrangement(name=f"parts of {PART}, recomputed layers", size=PART, recomputes=True),
)


def measure(encoder: TextEncoder, texts: Sequence[str], one: Arrangement) -> dict[str, float]:
    """Take a step in a forked process; return its seconds of the processor and its MiB."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        found = _step(encoder, texts, one)
        os.write(writer, json.dumps(found).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        found = json.loads(file.read())
    os.waitpid(child, 0)
    return {name: float(value) for name, value in found.items()}


def _step(encoder: TextEncoder, texts: Sequence[str], one: Arrangement) -> dict[str, float]:
    layers = RecomputedLayers(encoder.network)
    if one.recomputes:
        layers.begin()
    parts = TextsInParts(encoder.encode_for_gradients, size=one.size)
    _CLEAR.write_text("5", encoding="ascii")  # begins the measurement of the peak again
    before_mib, began_s = _peak_mib(), time.process_time()
    parts.encode(texts).square().sum().backward()  # type: ignore[no-untyped-call]
    parts.hand_on()
    return {"seconds": time.process_time() - began_s, "mib": _peak_mib() - before_mib}


def _peak_mib() -> float:
    (line,) = (
        line
        for line in _STATUS.read_text(encoding="ascii").splitlines()
        if line.startswith("VmHWM")
    )
    return int(line.split()[1]) / 1024


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Memory of an encoder in training.")
    parser.add_argument("--texts", type=int, default=32, help="texts of a step")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    encoder = load_encoder(EncoderConfig(), device="cpu")
    encoder.network.requires_grad_(requires_grad=True)
    texts = [f"{number} " + "whale " * 200 for number in range(given.texts)]
    metrics = []
    for one in ARRANGEMENTS:
        found = measure(encoder, texts, one)
        print(f"{one.name:34} {found['mib']:6.0f} MiB  {found['seconds']:5.1f} s", flush=True)
        note = f"{given.texts} texts of 128 tokens, all weights of MiniLM"
        metrics += [
            BenchMetric(metric=f"{one.name}: memory", value=found["mib"], unit="MiB", note=note),
            BenchMetric(metric=f"{one.name}: time", value=found["seconds"], unit="s", note=note),
        ]
    save("encoder_memory", "made up", metrics, command=COMMAND)


if __name__ == "__main__":
    main()
