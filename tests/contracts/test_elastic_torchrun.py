"""A training under torchrun while another machine joins it, hangs, and is gone.

The other machine is a second agent on this one.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from cron.errors import SettingsError, Stopped, TrainingFailed
from cron.wiring import open_launcher
from tests.contracts.test_train_launcher import (
    ENDLESS,
    LIMIT_S,
    QUICK,
    small_snapshot,
    trainers,
    until,
)
from tests.lost_machines import JoinedMachine
from trainer.candidate_files import PROGRESS, partial_of

STEP_LIMIT_S = 10.0  # a busy machine does not exceed it by itself


@contextmanager
def training(launch: Callable[[], Path]) -> Iterator[list[BaseException]]:
    """Train in another thread while the block runs; yield what the training raised."""
    ended: list[BaseException] = []

    def run() -> None:
        try:
            launch()
        except (Stopped, TrainingFailed) as error:
            ended.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield ended
    thread.join(LIMIT_S)
    assert not thread.is_alive()


def slow_down(ranks: list[psutil.Process]) -> None:
    """Let processes run for a tenth of two seconds."""
    for _ in range(8):
        for process in ranks:
            process.suspend()
        threading.Event().wait(0.225)
        for process in ranks:
            process.resume()
        threading.Event().wait(0.025)


def agent_of(out: Path) -> psutil.Process:
    """Return torchrun on the machine that started a training, where all machines meet."""
    (agent,) = (one for one in trainers(out) if "torch.distributed.run" in one.info["cmdline"])
    return agent


def test_a_machine_joins_hangs_and_is_gone(helper: JoinedMachine, tmp_path: Path) -> None:
    """The training goes on each time, and its log says why it started again.

    Before it hangs it is slow, and the agent at which the machines meet is killed.
    """
    snapshot, out = small_snapshot(tmp_path / "snapshot"), tmp_path / "runs" / "candidate"
    launcher = open_launcher(
        f"{helper.elastic_url}&files=store",
        text_cache=tmp_path / "texts",
        artifacts=f"file:///{tmp_path}/archives",
    )
    config = replace(ENDLESS, checkpoint_s=0.0, step_limit_s=STEP_LIMIT_S)
    with training(lambda: launcher.train(snapshot, config, out, limit_s=LIMIT_S)) as ended:
        wait_for(out, num_ranks=1)
        helper.add_machine()
        joint = wait_for(out, num_ranks=2, after=progress_of(out))
        slow_down(helper.processes[1:])
        wait_for(out, num_ranks=2, after=joint, new_start=False)
        agent_of(out).kill()
        wait_for(out, num_ranks=2, after=progress_of(out))
        assert list((tmp_path / "helper").glob("freshet-training-*/snapshot/manifest.json"))
        for process in helper.processes:
            process.suspend()
        wait_for(out, num_ranks=1, after=progress_of(out))
        helper.lose_machine()
        launcher.cancel()
    assert [type(error) for error in ended] == [Stopped]
    log = (out.parent / "trainer.log").read_text()
    assert "another rank ended or hangs (no answer for 10 s, which is train.step_limit_s)" in log
    assert trainers(out) == []


class Reached(NamedTuple):
    """Where a training is: its starts and steps so far, its ranks, and whether it learns."""

    starts: int = 0
    done: int = 0
    num_ranks: int = 0
    is_learning: bool = False


NOTHING = Reached()


def wait_for(
    out: Path, *, num_ranks: int, after: Reached = NOTHING, new_start: bool = True
) -> Reached:
    """Wait until so many ranks are further than `after`; return where they are.

    After what ends ranks it takes a new start: the progress of the last one stays until then.
    """

    def has_come() -> bool:
        now = progress_of(out)
        is_further = now.done > after.done and now.starts >= after.starts + new_start
        return now.is_learning and now.num_ranks == num_ranks and is_further

    until(has_come)
    return progress_of(out)


def progress_of(out: Path) -> Reached:
    """Return where a training is, by its progress; nowhere before there is any."""
    try:
        read = json.loads((partial_of(out) / PROGRESS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return NOTHING
    return Reached(
        starts=read["starts"],
        done=read["done"],
        num_ranks=read["ranks"],
        is_learning=read["phase"] == "train" and read["loss"] is not None,
    )


def test_ranks_with_wrong_input_are_not_started_again(
    helper: JoinedMachine, tmp_path: Path
) -> None:
    out = tmp_path / "runs" / "candidate"
    launcher = open_launcher(
        helper.elastic_url.replace("1:2", "1:1"), text_cache=tmp_path / "texts"
    )
    with pytest.raises(TrainingFailed, match=r"(?s)ended with status 1.*no-snapshot"):
        launcher.train(tmp_path / "no-snapshot", QUICK, out, limit_s=LIMIT_S)
    assert (out.parent / "trainer.log").read_text().count("trainer: ") == 1


def test_a_wrong_range_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"store\.launcher = .*go together"):
        open_launcher("torchrun:?nnodes=1:2", text_cache=tmp_path)
