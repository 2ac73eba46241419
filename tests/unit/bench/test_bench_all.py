"""All benches in one command: what is run, what is passed over, and what happens when one fails."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from bench import __main__ as everything
from bench.__main__ import QUICK, Part, full_parts, main


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note what would be run, by extent; `backends` fails, and nothing is rendered."""
    noted: list[str] = []

    def call(command: list[str], **more: object) -> subprocess.CompletedProcess[bytes]:
        environment = more.get("env", {})
        assert isinstance(environment, dict)
        noted.append(f"{environment.get('FRESHET_BENCH', '-')} {' '.join(command[2:])}")
        return subprocess.CompletedProcess(command, 3 if "bench.backends" in command else 0)

    monkeypatch.setattr(everything, "WORK", tmp_path)
    monkeypatch.setattr("bench.__main__.subprocess.run", call)
    return noted


@pytest.mark.parametrize(
    "part", [*QUICK, *full_parts(beauty=True)], ids=lambda part: " ".join(part.command)
)
def test_every_part_is_a_bench_that_takes_its_words(
    part: Part, capsys: pytest.CaptureFixture[str]
) -> None:
    module = importlib.import_module(f"bench.{part.bench}")
    if not part.words:
        return
    with pytest.raises(SystemExit) as stopped:
        module.main([*part.words, "--help"])
    assert stopped.value.code == 0
    told = capsys.readouterr().out
    assert all(word in told for word in part.words if word.startswith("--"))


def test_small_versions_run_each_time(calls: list[str]) -> None:
    assert main([]) == main([]) == 0
    assert len(calls) == 2 * (len(QUICK) + 1)
    assert all(call.startswith("quick ") for call in calls if "tables" not in call)


def test_finished_benches_are_passed_over_and_a_failed_one_is_tried_again(
    calls: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--full", "--only", "serving,backends"]) == 1
    assert "failed: -m bench.backends" in capsys.readouterr().err
    assert main(["--full", "--only", "serving,backends"]) == 1
    assert calls == [
        *(f"full bench.{bench}" for bench in ("serving", "backends")),
        "- bench.tables",
        "full bench.backends",
        "- bench.tables",
    ]
    calls.clear()
    main(["--full", "--only", "serving", "--again"])
    assert calls[0] == "full bench.serving"


@pytest.mark.parametrize(
    ("words", "says"),
    [(["--only", "qualtiy"], "qualtiy"), (["--full", "--only", "cold,streem"], "streem")],
)
def test_a_bench_that_does_not_exist_is_named(
    calls: list[str], capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2
    told = capsys.readouterr().err
    assert f"--only {says}: no such bench" in told
    assert "freshness, serving, " in told
    assert not calls, "nothing is run, nothing rendered"


def test_other_code_is_measured_anew(calls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    main(["--full", "--only", "serving"])
    monkeypatch.setattr(everything, "files_digest", lambda *_: "other")
    main(["--full", "--only", "serving"])
    assert calls.count("full bench.serving") == 2


def test_beauty_is_left_out_where_it_can_not_be(
    calls: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("FRESHET_DATA", raising=False)
    main(["--full", "--only", "quality"])
    assert "Beauty is left out" in capsys.readouterr().out
    assert not [call for call in calls if "beauty" in call]


@pytest.mark.parametrize(
    "name",
    [
        "freshness",
        "serving",
        "ingest",
        "quality",
        "prequential",
        "cold",
        "training",
        "tune",
        "tables",
    ],
)
def test_asking_for_help_measures_nothing(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(f"bench.{name}").main()
    assert ended.value.code == 0
    assert f"usage: python -m bench.{name}" in capsys.readouterr().out
