"""The TrainLauncher port with the real trainer, on every back end.

The back ends are one child process, two ranks under torchrun, and two on Ray.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from cron.backends.launch.trainer_process import TrainerProcess
from cron.errors import SettingsError, Stopped, TrainerDied, TrainingFailed
from cron.ports import TrainLauncher
from cron.wiring import open_launcher
from recommender.config import EncoderConfig, ModelConfig
from tests.component.training import NAMELESS
from tests.planted import PlantedRow, write_planted_snapshot
from trainer.candidate_files import last_checkpoint_ns
from trainer.config import TrainConfig
from trainer.report import read_report

ROOT = Path(__file__).parents[2]
LIMIT_S = 600.0  # of what takes some seconds on an idle machine
QUICK = TrainConfig(
    encoder=EncoderConfig(pack=False),
    model=ModelConfig(text_dim=8, dim=8, num_layers=1, num_heads=1, max_history=10),
    full_epochs=2,
)
ENDLESS = replace(QUICK, full_epochs=1_000_000)


EMBEDDED = {"process": "process:", "torchrun": "torchrun:?nproc=2"}
ON_SERVERS = {"ray": "ray:?workers=2"}


@pytest.fixture
def url(back_end: str) -> str:
    return {**EMBEDDED, **ON_SERVERS}[back_end]


@pytest.fixture
def launcher(url: str, tmp_path: Path) -> TrainLauncher:
    return open_launcher(url, text_cache=tmp_path / "texts")


def small_snapshot(folder: Path) -> Path:
    """Write some users and events, and one item without text, so that no encoder is loaded."""
    rows = [
        PlantedRow(
            seq=seq,
            user_id=f"u{seq % 7}",
            item_id="i0",
            at_us=1_700_000_000_000_000 + seq,
            rating=4.0,
        )
        for seq in range(1, 40)
    ]
    return write_planted_snapshot(folder, rows=rows, items=NAMELESS)


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    return small_snapshot(tmp_path / "snapshot")


def trainers(out: Path) -> list[psutil.Process]:
    """Return the processes that train this candidate; each may end at any time."""
    return [
        one
        for one in psutil.process_iter(["cmdline", "status"])
        if str(out) in (one.info["cmdline"] or []) and one.info["status"] != psutil.STATUS_ZOMBIE
    ]


def newest_of(out: Path) -> psutil.Process:
    """Return the process that started last: a rank, where another process starts them."""
    return max(trainers(out), key=lambda one: one.create_time())


def until(condition: Callable[[], object], *, limit_s: float = LIMIT_S) -> None:
    ends_at = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < ends_at, "waited in vain"
        threading.Event().wait(0.05)


def training(out: Path) -> bool:
    """Return whether a checkpoint was written."""
    return last_checkpoint_ns(out) is not None


def test_a_second_call_returns_the_same_candidate(
    launcher: TrainLauncher, snapshot: Path, tmp_path: Path
) -> None:
    out = tmp_path / "runs" / "candidate"
    assert launcher.train(snapshot, QUICK, out, limit_s=LIMIT_S) == out
    written = (out / "report.json").stat().st_mtime_ns
    assert (out / "bundle" / "manifest.json").is_file()
    assert launcher.train(snapshot, QUICK, out, limit_s=0.0) == out
    assert (out / "report.json").stat().st_mtime_ns == written


def test_a_failed_training_is_reported_with_its_last_lines(
    launcher: TrainLauncher, tmp_path: Path
) -> None:
    with pytest.raises(TrainingFailed, match="ended with status 1") as caught:
        launcher.train(
            tmp_path / "no-snapshot", QUICK, tmp_path / "runs" / "candidate", limit_s=LIMIT_S
        )
    assert "no-snapshot" in str(caught.value)
    assert str(tmp_path / "runs" / "trainer.log") in str(caught.value)


def test_the_wall_limit_ends_the_whole_group(
    launcher: TrainLauncher, snapshot: Path, tmp_path: Path
) -> None:
    out = tmp_path / "runs" / "candidate"
    failed: list[TrainingFailed] = []

    def train() -> None:
        try:
            launcher.train(snapshot, ENDLESS, out, limit_s=1.0)
        except Stopped:
            pass
        except TrainingFailed as error:
            failed.append(error)

    thread = threading.Thread(target=train, daemon=True)
    thread.start()
    thread.join(LIMIT_S)
    launcher.stop()  # what the limit should have ended
    thread.join(LIMIT_S)
    assert [type(error) for error in failed] == [TrainerDied]
    assert "did not end within 1 s" in str(failed[0])
    assert trainers(out) == []


def end_an_endless_training(
    launcher: TrainLauncher, snapshot: Path, out: Path, how: Callable[[], None]
) -> None:
    """Start a training that never ends, and end it once it has a checkpoint.

    It is ended from another thread, as the callers do.
    """
    ended: list[BaseException] = []

    def train() -> None:
        try:
            launcher.train(snapshot, ENDLESS, out, limit_s=LIMIT_S)
        except Stopped as error:
            ended.append(error)

    thread = threading.Thread(target=train, daemon=True)
    thread.start()
    until(lambda: training(out))
    how()
    thread.join(LIMIT_S)
    assert len(ended) == 1
    assert trainers(out) == []


def test_a_stopped_training_resumes_from_its_checkpoint(
    launcher: TrainLauncher, snapshot: Path, tmp_path: Path
) -> None:
    out = tmp_path / "runs" / "candidate"
    end_an_endless_training(launcher, snapshot, out, launcher.stop)
    with pytest.raises(Stopped):
        launcher.train(snapshot, ENDLESS, out, limit_s=LIMIT_S)
    assert training(out)


def test_after_cancel_the_next_training_starts(
    launcher: TrainLauncher, snapshot: Path, tmp_path: Path
) -> None:
    end_an_endless_training(launcher, snapshot, tmp_path / "lost" / "candidate", launcher.cancel)
    out = tmp_path / "next" / "candidate"
    assert launcher.train(snapshot, QUICK, out, limit_s=LIMIT_S) == out


def test_a_cancel_right_before_a_training_ends_that_one(
    launcher: TrainLauncher, snapshot: Path, tmp_path: Path
) -> None:
    out = tmp_path / "runs" / "candidate"
    launcher.cancel()
    with pytest.raises(Stopped):
        launcher.train(snapshot, QUICK, out, limit_s=LIMIT_S)
    assert trainers(out) == []


def test_the_training_dies_with_its_parent(url: str, snapshot: Path, tmp_path: Path) -> None:
    out = tmp_path / "runs" / "candidate"
    program = (
        "from pathlib import Path; "
        "from tests.contracts.test_train_launcher import ENDLESS, open_launcher; "
        f"launcher = open_launcher({url!r}, text_cache=Path({str(tmp_path)!r})); "
        f"launcher.train(Path({str(snapshot)!r}), ENDLESS, Path({str(out)!r}), limit_s={LIMIT_S})"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}
    ) as parent:
        until(lambda: training(out))
        assert trainers(out)
        parent.send_signal(signal.SIGKILL)
    until(lambda: not trainers(out))  # each rank ends its step


def test_both_launchers_make_the_same_candidate(snapshot: Path, tmp_path: Path) -> None:
    losses = []
    for name, url in EMBEDDED.items():
        launcher = open_launcher(url, text_cache=tmp_path / "texts")
        losses.append(
            read_report(
                launcher.train(snapshot, QUICK, tmp_path / name / "candidate", limit_s=LIMIT_S)
                / "report.json"
            ).losses
        )
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


def test_a_training_survives_the_death_of_one_process(
    launcher: TrainLauncher, snapshot: Path, tmp_path: Path
) -> None:
    out = tmp_path / "runs" / "candidate"
    killed: list[int] = []

    def kill() -> None:
        until(lambda: training(out))
        victim = newest_of(out)
        victim.kill()
        killed.append(victim.pid)

    thread = threading.Thread(target=kill)
    thread.start()
    assert launcher.train(snapshot, replace(QUICK, full_epochs=100), out, limit_s=LIMIT_S) == out
    thread.join()
    assert len(killed) == 1
    assert len(read_report(out / "report.json").losses) == 100


def test_it_survives_one_death_after_another(snapshot: Path, tmp_path: Path) -> None:
    """As long as it gets further: each time a checkpoint is newer than the one before."""
    out = tmp_path / "runs" / "candidate"
    killed: list[int] = []

    def kill() -> None:
        killed.extend(kill_after_a_checkpoint(out) for _ in range(3))

    thread = threading.Thread(target=kill)
    thread.start()
    config = replace(QUICK, full_epochs=1_000, checkpoint_s=0.0)
    launcher = open_launcher(EMBEDDED["process"], text_cache=tmp_path / "texts")
    assert launcher.train(snapshot, config, out, limit_s=LIMIT_S) == out
    thread.join()
    assert len(set(killed)) == 3
    assert len(read_report(out / "report.json").losses) == 1_000


def kill_after_a_checkpoint(out: Path) -> int:
    """Kill a rank once there is a newer checkpoint, and return its number."""
    before = last_checkpoint_ns(out)
    until(lambda: last_checkpoint_ns(out) != before and trainers(out))
    victim = newest_of(out)
    victim.kill()
    until(lambda: not psutil.pid_exists(victim.pid))
    return victim.pid


MAKE = "import os, pathlib, sys; out = pathlib.Path(sys.argv[sys.argv.index('--out') + 1]); "


def test_a_trainer_that_dies_after_its_work_succeeded(snapshot: Path, tmp_path: Path) -> None:
    program = MAKE + "out.mkdir(); (out / 'report.json').touch(); os.abort()"
    out = tmp_path / "runs" / "candidate"
    assert (
        TrainerProcess((sys.executable, "-c", program), text_cache=tmp_path).train(
            snapshot, QUICK, out, limit_s=LIMIT_S
        )
        == out
    )


def test_a_trainer_is_restarted_once_and_only_after_a_crash(snapshot: Path, tmp_path: Path) -> None:
    count = MAKE + "print('begun', file=(out.parent / 'begun').open('a')); "
    ends: list[tuple[str, int, type[TrainingFailed]]] = [
        ("os.abort()", 2, TrainerDied),
        ("raise OSError(28, 'No space left on device')", 2, TrainerDied),
    ]
    ends += [
        ("sys.exit('trainer: machine: out of memory')", 1, TrainerDied),
        ("sys.exit('trainer: no')", 1, TrainingFailed),
    ]
    for number, (end, times, kind) in enumerate(ends):
        out = tmp_path / str(number) / "candidate"
        with pytest.raises(TrainingFailed) as caught:
            TrainerProcess((sys.executable, "-c", count + end), text_cache=tmp_path).train(
                snapshot, QUICK, out, limit_s=LIMIT_S
            )
        assert caught.type is kind
        assert (out.parent / "begun").read_text().count("begun") == times


DIE_BETWEEN_TWO_NAMES = """
import os, pathlib, sys
out = pathlib.Path(sys.argv[sys.argv.index("--out") + 1])
folder = out.with_name(f"{out.name}.partial") / "checkpoint"
folder.mkdir(parents=True, exist_ok=True)
with (out.parent / "begun").open("a") as begun:
    begun.write("begun")
    number = begun.tell()
newest = folder / "newest.safetensors"
newest.touch()
os.utime(newest, (number, number))
newest.replace(folder / "before.safetensors")
if number < len("begun" * 4):
    os.abort()
out.mkdir()
(out / "report.json").touch()
"""


HANG_AT_FIRST = """
import os, pathlib, signal, sys
out = pathlib.Path(sys.argv[sys.argv.index("--out") + 1])
partial = out.with_name(f"{out.name}.partial")
if partial.exists():
    out.mkdir()
    (out / "report.json").touch()
else:
    partial.mkdir()
    (partial / "progress.json").touch()
    os.kill(os.getpid(), signal.SIGSTOP)
"""


def test_a_training_that_hangs_is_started_again(
    snapshot: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever it does while it hangs: it makes no progress."""
    out = tmp_path / "runs" / "candidate"
    launcher = TrainerProcess((sys.executable, "-c", HANG_AT_FIRST), text_cache=tmp_path)
    config = replace(QUICK, silence_limit_s=3.0)
    assert launcher.train(snapshot, config, out, limit_s=LIMIT_S) == out
    assert "no progress for 3 s, which is train.silence_limit_s" in caplog.text


def test_a_death_while_checkpoints_are_renamed(snapshot: Path, tmp_path: Path) -> None:
    """Each start got further, although the newest checkpoint has no name of its own yet."""
    out = tmp_path / "runs" / "candidate"
    launcher = TrainerProcess((sys.executable, "-c", DIE_BETWEEN_TWO_NAMES), text_cache=tmp_path)
    assert launcher.train(snapshot, QUICK, out, limit_s=LIMIT_S) == out
    assert (out.parent / "begun").read_text() == "begun" * 4


def test_a_crash_is_reported_by_its_cause(snapshot: Path, tmp_path: Path) -> None:
    program = "import os, sys; print('  what(): Connection closed', file=sys.stderr); os.abort()"
    launcher = TrainerProcess(
        ("bash", "-c", f'{sys.executable} -c "{program}"; seq 10000'), text_cache=tmp_path
    )
    with pytest.raises(TrainingFailed) as caught:
        launcher.train(snapshot, QUICK, tmp_path / "runs" / "candidate", limit_s=LIMIT_S)
    assert str(caught.value).endswith(
        "last lines:\n  what(): Connection closed\nFatal Python error: Aborted"
    )


@pytest.mark.parametrize(
    "url", ["torchrun:?nproc=none", "torchrun:?nproc=0", "torchrun:?workers=2"]
)
def test_a_wrong_launcher_names_the_setting(url: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"store\.launcher = .*expected torchrun:\?nproc=N"):
        open_launcher(url, text_cache=tmp_path)


@pytest.mark.parametrize(
    "url", ["ray:?workers=0", "ray://head?workers=2", "ray://head:none", "ray:?nproc=2"]
)
def test_a_wrong_ray_url_names_the_setting(url: str, tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"store\.launcher = .*expected ray://HOST:PORT\?workers=N"
    ):
        open_launcher(url, text_cache=tmp_path)
