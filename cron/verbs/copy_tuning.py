"""`copy tune` and `copy accepted`: a writer learns from texts that were accepted."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from copywriter.tuning.accepted_texts import write_accepted
from copywriter.tuning.made_texts import SHIPPED_WORDINGS
from copywriter.tuning.options import WORDINGS_OPTIONS, TuningOptions
from cron.copy.tune_writer import WriterTuning, texts_of_wordings, texts_to_tune_on, tune
from cron.errors import FreshetError
from cron.ledger.ledger import Ledger
from cron.settings.places import var_folder
from cron.settings.tree import Settings
from cron.verbs.actions import add_action
from cron.verbs.numbers import number_above_0, whole_number


def add_tuning(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare both actions and their arguments."""
    defaults, made = TuningOptions(), WORDINGS_OPTIONS
    tuning = add_action(
        actions, "tune", "tune the writer's model on accepted texts, into a new folder"
    )
    source = tuning.add_mutually_exclusive_group()
    source.add_argument("--texts", type=Path, metavar="FILE", help="JSON lines, not the ledger's")
    source.add_argument(
        "--wordings",
        type=Path,
        nargs="?",
        const=SHIPPED_WORDINGS,
        metavar="FOLDER",
        help="texts made of the shipped wordings, or of those in a folder",
    )
    tuning.add_argument("--out", type=Path, metavar="FOLDER", help="a new folder for the model")
    tuning.add_argument("--model", help="the model to tune (default: copy.model)")
    tuning.add_argument(
        "--epochs",
        type=whole_number,
        help=f"passes over the texts (default: {defaults.epochs}, of wordings {made.epochs})",
    )
    tuning.add_argument(
        "--rate",
        type=number_above_0,
        help=f"the learning rate (default: {defaults.rate:g}, of wordings {made.rate:g})",
    )
    accepted = add_action(actions, "accepted", "write the texts that `copy tune` would read")
    accepted.add_argument("file", type=Path, metavar="FILE", help="a file of JSON lines")


def tune_model(arguments: argparse.Namespace, settings: Settings, ledger: Ledger) -> None:
    """Tune the model and say how to release it."""
    copy = (
        settings.copy if arguments.model is None else replace(settings.copy, model=arguments.model)
    )
    out = arguments.out or _new_folder(var_folder(settings) / "writers", ledger)
    if out.exists():  # it would be noticed after the last step
        raise FreshetError(f"{out} exists; name a new folder with --out")
    if arguments.wordings is None:
        texts, options = texts_to_tune_on(ledger, copy, arguments.texts), TuningOptions()
        print(f"tuning {copy.model} on {len(texts)} accepted texts", flush=True)
    else:
        texts, options = texts_of_wordings(copy, arguments.wordings), WORDINGS_OPTIONS
        print(f"tuning {copy.model} on {len(texts)} texts made of wordings", flush=True)
    options = replace(
        options,
        epochs=options.epochs if arguments.epochs is None else arguments.epochs,
        rate=options.rate if arguments.rate is None else arguments.rate,
    )
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
