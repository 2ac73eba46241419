"""A training that SIGTERM ends goes on from its checkpoint, wherever the signal comes."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from trainer.__main__ import main
from trainer.config import TrainConfig, dump_config
from trainer.machine.preemption import Preempted, PreemptionNotice

ENDED = "trainer: machine: the training was ended by SIGTERM; it goes on from its checkpoint\n"


@pytest.fixture
def notice() -> Iterator[PreemptionNotice]:
    """The notice of this process, for which it listens."""
    before = signal.getsignal(signal.SIGTERM)
    notice = PreemptionNotice()
    notice.listen()
    yield notice
    signal.signal(signal.SIGTERM, before)


def test_a_signal_in_a_library_is_no_error_of_the_library(notice: PreemptionNotice) -> None:
    """As transformers does: a retrain failed when SIGTERM came while it imported a model."""
    with pytest.raises(Preempted), notice.explain_errors():
        import_model_code()


def import_model_code() -> None:
    """Do what a library does that is ended in an import of its own."""
    try:
        signal.raise_signal(signal.SIGTERM)
    except Exception as error:
        raise ModuleNotFoundError("Could not import module 'BertModel'") from error


def test_an_error_without_a_signal_stays_as_it_is(notice: PreemptionNotice) -> None:
    with pytest.raises(ModuleNotFoundError), notice.explain_errors():
        raise ModuleNotFoundError("Could not import module 'BertModel'")


def test_after_a_signal_a_trainer_says_that_it_goes_on(
    notice: PreemptionNotice, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dump_config(TrainConfig(), tmp_path / "config.json")
    files = {name: str(tmp_path / name) for name in ("--snapshot", "--out")}
    arguments = [*sum(files.items(), ()), "--config", str(tmp_path / "config.json")]
    assert main(arguments, notice) == 1
    assert not capsys.readouterr().err.endswith(ENDED)
    with pytest.raises(Preempted), notice.hold_back():
        signal.raise_signal(signal.SIGTERM)
    assert main(arguments, notice) == 1
    assert capsys.readouterr().err.endswith(ENDED)
