"""How uv and pip are called, and the one sentence that a failure becomes."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.install.environment import bring_up_to_date
from deploy.install.packages import UV, CannotInstall, explain
from deploy.install.requirements import BASE
from tests.unit.deploy.install.environment import RECORDS_CALLS, calls, make_checkout, write_python


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a checkout whose requirements have changed."""
    checkout = make_checkout(tmp_path)
    (checkout / BASE).write_text("# changed\n")
    return checkout


def test_uv_is_installed_first_and_installs_the_rest(root: Path) -> None:
    bring_up_to_date(root, [BASE])
    first, *_, last = calls(root)
    assert first.startswith("-m pip install")
    assert first.endswith(UV)
    assert last.startswith("-m uv pip install")


@pytest.mark.parametrize(
    ("fails", "sentence"),
    [(UV, f"{UV} is not available; installing with pip"), ("-m uv", "uv failed; installing with")],
)
def test_pip_installs_where_uv_can_not(
    root: Path, fails: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_python(root, _failing(fails, "ERROR: No matching distribution found"))
    bring_up_to_date(root, [BASE])
    assert calls(root)[-1] == (f"-m pip install --disable-pip-version-check -r {root / BASE}")
    assert sentence in capsys.readouterr().out


@pytest.mark.parametrize(
    ("errors", "sentence"),
    [
        ("Hash mismatch for `numpy==2.4.6`", "refused a file whose sha256 is not in the lock"),
        ("No space left on device (os error 28)", "ran out of disk space"),
    ],
)
def test_pip_does_not_install_what_uv_refused(root: Path, errors: str, sentence: str) -> None:
    write_python(root, _failing("-m uv", errors))
    with pytest.raises(CannotInstall, match=sentence):
        bring_up_to_date(root, [BASE])
    assert calls(root)[-1].startswith("-m uv")


def test_a_machine_without_network_fails_at_once(root: Path) -> None:
    write_python(root, _failing(UV, "NewConnectionError: Temporary failure in name resolution"))
    with pytest.raises(CannotInstall, match="could not reach its package index"):
        bring_up_to_date(root, [BASE])
    assert len(calls(root)) == 1


def test_packages_go_into_the_environment_whatever_is_set(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_python(root, '#!/bin/sh\nenv | grep -E "^(PIP|UV)_" >> "$(dirname "$0")/calls"\n')
    for name, value in (
        ("PIP_USER", "1"),
        ("PIP_TARGET", "/elsewhere"),
        ("PIP_PREFIX", "/x"),
        ("UV_TARGET", "/elsewhere"),
        ("PIP_INDEX_URL", "https://mirror"),
    ):
        monkeypatch.setenv(name, value)
    bring_up_to_date(root, [BASE])
    passed_on = set(calls(root))
    assert passed_on >= {"PIP_INDEX_URL=https://mirror", "PIP_USER=0"}
    assert not [line for line in passed_on if line.startswith(("PIP_TARGET", "PIP_PREFIX"))]


@pytest.mark.parametrize(
    ("errors", "sentence"),
    [
        (
            "WARNING: Retrying … NewConnectionError('…: Temporary failure in name resolution')",
            "could not reach its package index",
        ),
        (
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on …",
            "ran out of disk space",
        ),
        ("ERROR: Some wheel is broken", "the reason is above"),
    ],
)
def test_a_failure_becomes_one_sentence(errors: str, sentence: str) -> None:
    assert sentence in explain("pip", 1, errors)


def _failing(words: str, errors: str) -> str:
    """Return a Python that records its calls and fails those that contain these words."""
    return (
        f'{RECORDS_CALLS}case "$*" in *"{words}"*) '
        f"printf '%s\\n' '{errors}' >&2; exit 1;; esac\n"
    )
