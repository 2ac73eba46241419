"""Which environment variables each kind of child process gets, and that secrets stay out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cron.backends.launch.trainer_process import TrainerProcess
from cron.local.child_environment import GATEWAY, MODEL, RANKS, RAY, SYSTEM, WORKER, only
from cron.project_root import PROJECT_ROOT
from deploy.supervision.confine import confine
from trainer.config import TrainConfig

PLAIN = {"PATH": "/usr/bin:/bin", "HOME": "/home/shop", "LC_TIME": "C", "CUDA_VISIBLE_DEVICES": "1"}
SECRETS = {
    "FRESHET__GATEWAY__API_KEY": "k",
    "FRESHET_KAFKA_SASL_PASSWORD": "k",
    "FRESHET_COPY_KEY": "k",
    "PGPASSWORD": "k",
    "REDIS_PASSWORD": "k",
    "AWS_SECRET_ACCESS_KEY": "k",
    "HF_TOKEN": "k",
    "GITHUB_TOKEN": "k",
    "https_proxy": "http://user:word@proxy",
}


def test_what_computes_a_model_sees_no_secret() -> None:
    """TorchServe, its workers, the trainer and its ranks."""
    assert only({**PLAIN, **SECRETS}, SYSTEM, MODEL, RANKS) == PLAIN
    assert only({**PLAIN, **SECRETS, "RAY_AUTH_TOKEN": "k"}, SYSTEM, MODEL, RANKS, RAY) == {
        **PLAIN,
        "RAY_AUTH_TOKEN": "k",
    }


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (
            "gateway",
            {
                "FRESHET__GATEWAY__API_KEY",
                "FRESHET_KAFKA_SASL_PASSWORD",
                "FRESHET_COPY_KEY",
                "PGPASSWORD",
                "REDIS_PASSWORD",
            },
        ),
        (
            "worker",
            {
                "FRESHET__GATEWAY__API_KEY",
                "FRESHET_KAFKA_SASL_PASSWORD",
                "FRESHET_COPY_KEY",
                "PGPASSWORD",
                "REDIS_PASSWORD",
                "AWS_SECRET_ACCESS_KEY",
            },
        ),
        ("server", set()),
    ],
)
def test_a_confined_process_sees_the_secrets_of_its_kind_alone(
    kind: str, expected: set[str]
) -> None:
    seen = _environment_of(confine(kind, _PRINT))
    assert SECRETS.keys() & seen == expected
    assert {"PATH", "HOME", "LC_TIME"} <= seen


def test_a_variable_of_its_own_is_named() -> None:
    assert "GITHUB_TOKEN" in _environment_of(confine("server", _PRINT, also=("GITHUB_TOKEN",)))


def test_a_command_that_is_not_there_is_one_sentence() -> None:
    ended = subprocess.run(
        confine("server", ["/no/such/program"]),
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (
        1,
        "error: /no/such/program can't be started: No such file or directory\n",
    )


def test_the_lists_name_no_secret_by_a_beginning() -> None:
    assert not [name for name in SECRETS if only({name: "k"}, SYSTEM, MODEL, RANKS, RAY)]
    assert set(SYSTEM) < set(GATEWAY) < set(WORKER)


def test_a_launched_trainer_sees_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runner stands for the trainer: it leaves a candidate that lists what it saw."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    seen = "json.dump({'seen': list(os.environ)}, open(out / 'report.json', 'w'))"
    script = (
        "import json, os, sys, pathlib; "
        "out = pathlib.Path(sys.argv[sys.argv.index('--out') + 1]); "
        f"out.mkdir(); {seen}"
    )
    launcher = TrainerProcess((sys.executable, "-c", script), text_cache=tmp_path / "texts")
    made = launcher.train(
        tmp_path / "snapshot", TrainConfig(), tmp_path / "run" / "out", limit_s=240
    )
    seen_names = set(json.loads((made / "report.json").read_text())["seen"])
    assert not SECRETS.keys() & seen_names
    assert {"PATH", "OMP_NUM_THREADS", "PYTHONFAULTHANDLER"} <= seen_names


_PRINT = [sys.executable, "-c", "import json, os; print(json.dumps(list(os.environ)))"]


def _environment_of(command: list[str]) -> set[str]:
    done = subprocess.run(
        command,
        cwd=PROJECT_ROOT,
        env={**PLAIN, **SECRETS},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(done.stdout))
