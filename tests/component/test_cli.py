"""The command line on real back ends: what it prints, stores and does not load."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cron import wiring
from cron.__main__ import main
from cron.ledger import holds, lease_row, metric_rows, trial_rows
from cron.project_root import PROJECT_ROOT
from cron.services import Paths
from cron.settings.places import var_folder
from cron.settings.tree import Settings
from cron.worker.lease import only_one
from tests.component import story
from tests.component.command_line import NUM_RATINGS, ledger_file
from tests.trials import begin_trial


def test_reading_verbs_tell_the_story(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    story.tell(ledger_file(settings)).close()
    assert main(["status"]) == 0
    status = capsys.readouterr().out
    assert "release 3 (update of 2)" in status
    assert "2 of the latest 3 updates accepted" in status
    assert "0.087" in status  # the live model on the newest new events
    assert main(["runs"]) == 0
    runs = capsys.readouterr().out
    assert f"✗ {story.NOT_ACCEPTED}" in runs
    assert "✗ not enough new events: 40 of 500" in runs
    assert main(["releases"]) == 0
    releases = capsys.readouterr().out.splitlines()
    assert releases[1].split()[:4] == ["3", "update", "2", "3001–4000"]
    assert releases[1].endswith("live")
    for verb, first in (("runs", "run_id"), ("releases", "version"), ("config", "store.events")):
        assert main([verb, "--json"]) == 0
        shown = json.loads(capsys.readouterr().out)
        assert first in (shown if isinstance(shown, dict) else shown[0])
    assert main(["status", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["live"]["version"], shown["updates"]) == (3, {"judged": 3, "accepted": 2})


def test_a_full_retrain_is_left_to_a_running_worker(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    with only_one(Paths(var=var_folder(settings)).lock):
        assert main(["run-once", "--full"]) == 0
        assert "its next turn, after the run in progress, retrains" in capsys.readouterr().out
        assert main(["status"]) == 0
        assert "asked    a full retrain, which begins" in capsys.readouterr().out
        assert main(["run-once"]) == 1
        assert "already works in" in capsys.readouterr().err


def test_a_pause_is_shown_and_resume_ends_it(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pause", "--reason", "a holiday"]) == 0
    assert main(["status"]) == 0
    assert "held     a holiday" in capsys.readouterr().out
    assert main(["resume", "--exclude", "5-9", "--exclude", "8-12", "--reason", "back"]) == 0
    assert "5–12" in capsys.readouterr().out
    assert main(["status"]) == 0
    assert re.search(
        r"decided  resume by .* on the command line, .* ago: back", capsys.readouterr().out
    )
    ledger = wiring.open_ledger(settings.store.ledger)
    assert holds.current(ledger) is None
    assert holds.excluded_ranges(ledger) == ((5, 12),)


def test_a_rollback_that_cannot_be_is_one_sentence(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    story.tell(ledger_file(settings)).close()
    assert main(["rollback", "17"]) == 1
    assert capsys.readouterr().err == "no release has version 17; existing versions: 0, 1, 2, 3\n"
    assert main(["rollback"]) == 1
    error = capsys.readouterr().err
    assert "does not answer" in error
    assert error.count("\n") == 1
    assert holds.current(wiring.open_ledger(settings.store.ledger)) is not None


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "",
        "resume --exclude 9-5",
        "ingest",
        "ingest x --part 1:0",
        "replay --speed 0",
        "replay --speed fast",
        "promote x",
        "promote 1 --reason \x1b[2J",
        "pause --reason a\0b",
        "trial",
        "trial promote --version x",
    ],
)
def test_wrong_use_is_2(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(line.split())
    assert caught.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_a_trial_is_ended_by_its_verb(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["trial", "stop"]) == 1
    assert capsys.readouterr().err == "no candidate is on trial now\n"
    ledger = wiring.open_ledger(settings.store.ledger)
    lease = lease_row.acquire(ledger, "worker", 60, ledger.now())
    assert lease is not None
    begin_trial(ledger, lease)
    assert main(["trial", "promote", "--reason", "seen enough"]) == 0
    assert capsys.readouterr().out == "version 4 is live after the worker's next turn\n"
    asked = trial_rows.find(ledger, 4)
    assert asked is not None
    assert asked.asked is not None
    assert asked.asked.why.endswith(": seen enough")
    assert main(["trial", "stop", "--version", "4"]) == 0
    assert "answers nobody" in capsys.readouterr().out


def test_wrong_settings_are_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FRESHET__GATEWAY__PORT", "70000")
    assert main(["config", "--check"]) == 2
    assert "gateway.port = 70000" in capsys.readouterr().err


def test_data_that_is_not_there_is_1(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ingest", "/nowhere"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_config_hides_secrets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FRESHET__GATEWAY__API_KEY", "secret-key")
    assert main(["config"]) == 0
    assert main(["config", "--json"]) == 0
    shown = capsys.readouterr().out
    assert "secret-key" not in shown
    assert "***" in shown
    assert "environment FRESHET__GATEWAY__API_KEY" in shown


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://freshet:s3cr3t@127.0.0.1:9/x",
        "postgresql://freshet@127.0.0.1:9/x?password=s3cr3t",
    ],
)
def test_config_hides_a_password_wherever_it_stands(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FRESHET__STORE__LEDGER", url)
    monkeypatch.setenv(
        "FRESHET__STORE__SERVER", "torchserve://127.0.0.1:9/rec"
    )  # not what this machine may be serving
    for words in (
        ["config"],
        ["config", "--json"],
        ["config", "--check"],
        ["config", "--check", "--json"],
    ):
        main(words)
    said = capsys.readouterr()
    assert "s3cr3t" not in said.out + said.err
    assert "postgresql://freshet" in said.out


def test_config_check_reports_every_service(
    settings: Settings, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ingest", str(data)]) == 0
    capsys.readouterr()
    assert main(["config", "--check"]) == 1, "nobody listens on the server's port"
    said = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert list(said) == [
        "settings",
        "events",
        "histories",
        "artifacts",
        "ledger",
        "launcher",
        "server",
    ]
    assert said["events"] == f"{settings.store.events}  ok, {NUM_RATINGS + 2} waiting"
    assert said["histories"].endswith("ok, no record followed yet, 0 hidden items")
    assert said["ledger"].endswith("ok, nothing live yet")
    assert "does not answer" in said["server"]


def test_config_check_goes_on_after_a_part_that_fails(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    (tmp_path / "a-file").write_text("")
    monkeypatch.setenv("FRESHET__STORE__LEDGER", f"sqlite:///{tmp_path}/a-file/ledger.db")
    assert main(["config", "--check", "--json"]) == 1
    looks = json.loads(capsys.readouterr().out)
    assert {one["part"]: one["ok"] for one in looks} == {
        "events": True,
        "histories": True,
        "artifacts": True,
        "ledger": False,
        "launcher": True,
        "server": False,
    }


def test_a_python_without_the_requirements_says_what_to_run() -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-m", "cron", "status"],
        capture_output=True, text=True, timeout=240, cwd=PROJECT_ROOT, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.endswith("run .venv/bin/python -m cron\n")
    assert "lacks the package" in done.stderr
    assert "Traceback" not in done.stderr


def test_quick_verbs_load_nothing_heavy(settings: Settings) -> None:
    story.tell(ledger_file(settings)).close()
    heavy = ("torch", "transformers", "numpy", "pandas", "pyarrow", "fastapi", "apscheduler")
    verbs = ("status", "releases", "runs", "rollback", "pause", "resume", "config")
    code = f"""
import sys
from cron.__main__ import main
for verb in {verbs!r}:
    main([verb])
print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=240, check=True
    )
    assert done.stderr.splitlines()[-1] == "[]"


def test_status_names_the_nodes_that_are_away(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FRESHET__STORE__SERVER", "torchserve://a:8081,b:8081/rec")
    ledger = story.tell(ledger_file(settings))
    assert main(["status"]) == 0
    assert "away" not in capsys.readouterr().out
    metric_rows.set_gauge(ledger, "node_2_away", 1.0)
    assert main(["status"]) == 0
    assert "away     b:8081 of 2 TorchServe nodes" in capsys.readouterr().out
    ledger.close()
