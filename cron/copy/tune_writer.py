"""Tune the writer's model on texts that were accepted, in a process of its own.

The tuned model is a folder, which `copy release --model` judges as any other writer.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from copywriter.tuning.accepted_texts import AcceptedText, read_accepted, write_accepted
from copywriter.tuning.made_texts import make_texts
from copywriter.tuning.options import TuningOptions, TuningResult
from copywriter.verifier.check import check
from copywriter.writing.writer import WriterError
from cron.copy.live_writer import prompts_folder
from cron.copy_errors import NoAcceptedTexts, WriterNotTuned
from cron.ledger.accepted_rows import accepted_texts
from cron.ledger.ledger import Ledger
from cron.local.child_environment import MODEL, SYSTEM, only
from cron.project_root import PROJECT_ROOT
from cron.settings.copy_settings import CopySettings

# threads that wait do so without a processor: on two busy cores a writer took 1.9 s of processor
# time for a line in place of some 30 s
_PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE"}


_MADE_TEXTS = 160  # of a language: in two, some nine minutes of a processor


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterTuning:
    """What is tuned: a model, on which texts, into which folder."""

    settings: CopySettings
    texts: Sequence[AcceptedText]
    out: Path
    options: TuningOptions


def texts_to_tune_on(
    ledger: Ledger, settings: CopySettings, file: Path | None
) -> Sequence[AcceptedText]:
    """Return the texts of a file, or of the ledger, without those that the verifier rejects.

    A model imitates what it is tuned on, so an editor's text that breaks a rule would teach it to.
    Raise NoAcceptedTexts.
    """
    if file is None:
        found = accepted_texts(ledger, settings.languages)
    else:
        try:
            found = read_accepted(file)
        except WriterError as error:
            raise NoAcceptedTexts(str(error)) from error
    kept = [one for one in found if check(one.text, one.brief).is_accepted]
    if not kept:
        where = "the ledger" if file is None else str(file)
        raise NoAcceptedTexts(
            f"{where} has no text that the verifier accepts ({len(found)} in all); texts are "
            "written as docs/copy.md says, or come from a file with --texts"
        )
    return kept


def texts_of_wordings(settings: CopySettings, folder: Path) -> Sequence[AcceptedText]:
    """Return texts about invented items in each of the languages; raise NoAcceptedTexts."""
    try:
        return make_texts(settings.languages, each=_MADE_TEXTS, seed=0, folder=folder)
    except WriterError as error:
        raise NoAcceptedTexts(str(error)) from error


def tune(tuning: WriterTuning) -> TuningResult:
    """Tune the model of the settings; its progress is on stderr. Raise WriterNotTuned."""
    folder = prompts_folder(tuning.settings)
    with tempfile.TemporaryDirectory(prefix="tuning-") as private:
        texts = Path(private) / "accepted.jsonl"
        write_accepted(texts, tuning.texts)
        command = [sys.executable, "-m", "copywriter.tuning", "--model", tuning.settings.model]
        command += ["--texts", str(texts), "--out", str(tuning.out.resolve())]
        command += ["--epochs", str(tuning.options.epochs), "--rate", str(tuning.options.rate)]
        command += ["--batch", str(tuning.options.batch), "--rank", str(tuning.options.rank)]
        command += ["--depth", str(tuning.options.depth)]
        command += ["--prompts", str(folder)] if folder is not None else []
        done = subprocess.run(
            command,
            env=_PASSIVE | only(os.environ, SYSTEM, MODEL),
            cwd=PROJECT_ROOT,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        raise WriterNotTuned(tuning.settings.model)
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=TuningResult)
