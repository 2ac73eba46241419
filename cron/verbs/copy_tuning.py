"""`copy tune` and `copy accepted`: a writer learns from texts that were accepted."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from copywriter.tuning.accepted_texts import write_accepted
from copywriter.tuning.options import TuningOptions
from cron.copy.tune_writer import WriterTuning, texts_to_tune_on, tune
from cron.ledger.ledger import Ledger
from cron.settings.places import var_folder
from cron.settings.tree import Settings
from cron.verbs.actions import add_action


def add_tuning(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare both actions and their arguments."""
    defaults = TuningOptions()
    tuning = add_action(
        actions, "tune", "tune the writer's model on accepted texts, into a new folder"
    )
    tuning.add_argument("--texts", type=Path, metavar="FILE", help="JSON lines, not the ledger's")
    tuning.add_argument("--out", type=Path, metavar="FOLDER", help="a new folder for the model")
    tuning.add_argument("--model", help="the model to tune (default: copy.model)")
    tuning.add_argument(
        "--epochs",
        type=int,
        default=defaults.epochs,
        help=f"passes over the texts (default: {defaults.epochs})",
    )
    tuning.add_argument(
        "--rate",
        type=float,
        default=defaults.rate,
        help=f"the learning rate (default: {defaults.rate:g})",
    )
    accepted = add_action(actions, "accepted", "write the texts that `copy tune` would read")
    accepted.add_argument("file", type=Path, metavar="FILE", help="a file of JSON lines")


def tune_model(arguments: argparse.Namespace, settings: Settings, ledger: Ledger) -> None:
    """Tune the model and say how to release it."""
    copy = (
        settings.copy if arguments.model is None else replace(settings.copy, model=arguments.model)
    )
    out = arguments.out or _new_folder(var_folder(settings) / "writers", ledger)
    texts = texts_to_tune_on(ledger, copy, arguments.texts)
    print(f"tuning {copy.model} on {len(texts)} accepted texts", flush=True)
    options = TuningOptions(epochs=arguments.epochs, rate=arguments.rate)
    result = tune(WriterTuning(settings=copy, texts=texts, out=out, options=options))
    print(
        f"the loss of {result.num_held_out} held-out texts fell from {result.loss_before:.3f} to "
        f"{result.loss_after:.3f} (epoch {result.best_epoch} of {options.epochs}); "
        f"the model is in {out}\nrelease it with: python -m cron copy release --model {out}"
    )


def write_texts(arguments: argparse.Namespace, settings: Settings, ledger: Ledger) -> None:
    """Write the ledger's texts to a file."""
    texts = texts_to_tune_on(ledger, settings.copy, None)
    write_accepted(arguments.file, texts)
    print(f"{arguments.file} has {len(texts)} accepted texts")


def _new_folder(parent: Path, ledger: Ledger) -> Path:
    return parent / f"tuned-{ledger.now():%Y%m%d-%H%M%S}"
