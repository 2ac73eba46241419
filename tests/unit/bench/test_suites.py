"""One entry for all benches: what runs, what is skipped, and what a failure does."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from bench import __main__ as entry
from bench import suites
from bench.catalogue import BENCHES, module_name, overview
from bench.suites import QUICK, BenchRun, full_runs


class FakePython:
    """Records what would be run, with the suite's size; `backends` fails."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __call__(self, command: Sequence[str], environment: Mapping[str, str]) -> int:
        self.calls.append(f"{environment.get('FRESHET_BENCH', '-')} {' '.join(command[2:])}")
        return 3 if "backends" in command else 0

    def run_suite(self, *arguments: str, code: str = "this code") -> int:
        return suites.main(arguments, call=self, code=code)


@pytest.fixture
def python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePython:
    monkeypatch.setenv("FRESHET_BENCH_WORK", str(tmp_path))
    return FakePython()


@pytest.mark.parametrize(
    "run", [*QUICK, *full_runs(beauty=True)], ids=lambda run: " ".join(run.command)
)
def test_every_run_names_a_bench_and_its_options(
    run: BenchRun, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        entry.main([run.bench, *run.arguments, "--help"])
    assert stopped.value.code == 0
    help_text = capsys.readouterr().out
    assert all(word in help_text for word in run.arguments if word.startswith("--"))


@pytest.mark.parametrize("name", BENCHES)
def test_asking_a_bench_for_help_measures_nothing(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(module_name(name)).main(["--help"])
    assert ended.value.code == 0
    assert f"usage: python -m bench {name}" in capsys.readouterr().out


def test_help_lists_every_bench_with_its_phrase(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        entry.main(["--help"])
    assert overview() in capsys.readouterr().out


def test_small_versions_run_each_time(python: FakePython) -> None:
    assert python.run_suite() == python.run_suite() == 0
    assert len(python.calls) == 2 * (len(QUICK) + 1)
    assert all(call.startswith("quick ") for call in python.calls if "tables" not in call)


def test_finished_benches_are_skipped_and_failed_ones_retried(
    python: FakePython, capsys: pytest.CaptureFixture[str]
) -> None:
    assert python.run_suite("--full", "--only", "serving,backends") == 1
    assert "failed: -m bench backends" in capsys.readouterr().err
    assert python.run_suite("--full", "--only", "serving,backends") == 1
    assert python.calls == [
        "full serving",
        "full backends",
        "- tables",
        "full backends",
        "- tables",
    ]
    python.calls.clear()
    python.run_suite("--full", "--only", "serving", "--again")
    assert python.calls[0] == "full serving"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--only", "qualtiy"], "--only qualtiy: no such bench"),
        (["--full", "--only", "cold,streem"], "--only streem: no such bench"),
        (["qualtiy"], "no bench is called qualtiy"),
    ],
)
def test_an_unknown_bench_is_named_and_nothing_runs(
    python: FakePython, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        python.run_suite(*words)
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert "freshness, serving, " in error
    assert not python.calls


def test_a_change_of_the_code_runs_a_bench_again(python: FakePython) -> None:
    python.run_suite("--full", "--only", "serving")
    python.run_suite("--full", "--only", "serving", code="other code")
    assert python.calls.count("full serving") == 2


def test_beauty_is_left_out_where_its_files_are_missing(
    python: FakePython, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("FRESHET_DATA", raising=False)
    python.run_suite("--full", "--only", "quality")
    assert "Beauty is left out" in capsys.readouterr().out
    assert not [call for call in python.calls if "beauty" in call]
