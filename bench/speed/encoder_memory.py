"""The memory and time of a step of an encoder in training, and what keeps it small.

    .venv/bin/python -m bench encoder_memory [--texts 32]

All weights of MiniLM get gradients from texts of 128 tokens: at once, in parts of 8, with layers
that are computed again, and both, in half precision, and compiled. Each runs in a process of its
own, forked from one that has the model. Memory is the most that the process had during the step,
without what it had before. A compiled step is the second one; the first compiles.

Then ranks train the same, each with all weights or with a part (`bench/speed/encoder_ranks.py`),
and two ranks train a larger model of random weights on fewer texts. It takes 7 GB of memory.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from bench.data.random_encoder import NUM_LAYERS, WIDTH, write_random_bert
from bench.report.rows import BenchMetric, save
from bench.speed.encoder_ranks import RankTask, measure_ranks
from bench.speed.process_memory import forget_peak, peak_mib
from recommender.config import EncoderConfig
from recommender.encoder.encoder import TextEncoder, load_encoder
from trainer.config import EncoderMemoryConfig
from trainer.learning.compiled_layers import CompiledLayers
from trainer.learning.recomputed_layers import RecomputedLayers
from trainer.learning.texts_in_parts import TextsInParts
from trainer.machine.half_precision import computed_in, half_type

COMMAND = "python -m bench encoder_memory"
PART = 8
TEXTS_OF_LARGER = 8
CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrangement:
    """How the step is taken."""

    name: str
    size: int | None = None
    recomputes: bool = False
    compiles: bool = False
    dtype: torch.dtype = torch.float32


ARRANGEMENTS = (
    Arrangement(name="all texts at once"),
    Arrangement(name=f"parts of {PART} texts", size=PART),
    Arrangement(name="recomputed layers", recomputes=True),
    Arrangement(name=f"parts of {PART}, recomputed layers", size=PART, recomputes=True),
    Arrangement(name="half precision", dtype=half_type(CPU)),
    Arrangement(name="compiled layers", compiles=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RanksArrangement:
    """How many ranks train, and what each holds."""

    name: str
    num_ranks: int
    memory: EncoderMemoryConfig = field(default_factory=EncoderMemoryConfig)


DIVIDED = EncoderMemoryConfig(divide_weights=True)
SMALLEST = EncoderMemoryConfig(divide_weights=True, texts_at_once=PART, recompute_layers=True)
OF_RANKS = (
    RanksArrangement(name="one rank", num_ranks=1),
    RanksArrangement(name="two ranks", num_ranks=2),
    RanksArrangement(name="two ranks, divided weights", num_ranks=2, memory=DIVIDED),
    RanksArrangement(name="the same, in parts, recomputed", num_ranks=2, memory=SMALLEST),
)
OF_LARGER = (
    RanksArrangement(name="larger model, two ranks", num_ranks=2),
    RanksArrangement(name="larger model, two ranks, divided weights", num_ranks=2, memory=DIVIDED),
)
OF_RANK = ", with weights, gradients and optimiser, of the rank that needs most"


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
    layers, compiled = RecomputedLayers(encoder.network), CompiledLayers(encoder.network)
    if one.recomputes:
        layers.begin()
    parts = TextsInParts(encoder.encode_for_gradients, size=one.size)
    if one.compiles:
        compiled.begin(CPU)
        _take_step(parts, texts, one)
    forget_peak()
    before_mib, began_s = peak_mib(), time.process_time()
    _take_step(parts, texts, one)
    return {"seconds": time.process_time() - began_s, "mib": peak_mib() - before_mib}


def _take_step(parts: TextsInParts, texts: Sequence[str], one: Arrangement) -> None:
    with computed_in(one.dtype, CPU):
        raw_PR = parts.encode(texts)
    raw_PR.square().sum().backward()  # type: ignore[no-untyped-call]
    parts.hand_on()


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
    note = f"{given.texts} texts of 128 tokens, all weights of MiniLM"
    for one in ARRANGEMENTS:
        found = measure(encoder, texts, one)
        # what a compiled step leaves to the next one would not be counted
        mib = None if one.compiles else found["mib"]
        metrics += _metrics(one.name, mib=mib, seconds=found["seconds"], note=note)
    for ranks in OF_RANKS:
        task = RankTask(texts=tuple(texts), memory=ranks.memory)
        metrics += _rank_metrics(ranks, task, note)
    with tempfile.TemporaryDirectory() as folder:
        model = str(write_random_bert(Path(folder)))
        note = f"{TEXTS_OF_LARGER} texts of 128 tokens, a BERT of {NUM_LAYERS} layers, {WIDTH} wide"
        for ranks in OF_LARGER:
            few = tuple(texts[:TEXTS_OF_LARGER])
            task = RankTask(texts=few, memory=ranks.memory, model=model)
            metrics += _rank_metrics(ranks, task, note)
    save("encoder_memory", "made up", metrics, command=COMMAND)


def _rank_metrics(ranks: RanksArrangement, task: RankTask, note: str) -> list[BenchMetric]:
    cost = measure_ranks(task, ranks.num_ranks)
    return _metrics(ranks.name, mib=cost.mib, seconds=cost.seconds, note=note + OF_RANK)


def _metrics(name: str, *, mib: float | None, seconds: float, note: str) -> list[BenchMetric]:
    shown = "" if mib is None else f"{mib:.0f} MiB"
    print(f"{name:42} {shown:>10}  {seconds:5.1f} s", flush=True)
    time_metric = BenchMetric(metric=f"{name}: time", value=seconds, unit="s", note=note)
    if mib is None:
        return [time_metric]
    memory_metric = BenchMetric(metric=f"{name}: memory", value=mib, unit="MiB", note=note)
    return [memory_metric, time_metric]


if __name__ == "__main__":
    main()
