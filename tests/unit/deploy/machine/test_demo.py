"""The demo data: used from a folder, or fetched out of its wheel and verified."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.machine.demo import MOVIELENS, DemoUnavailable, demo_data


def test_demo_data_of_the_environment_is_used_unchanged(tmp_path: Path) -> None:
    (tmp_path / "ml-100k").mkdir()
    assert demo_data(tmp_path / "var", {"FRESHET_DATA": str(tmp_path)}) == tmp_path / "ml-100k"
    with pytest.raises(DemoUnavailable, match="does not exist"):
        demo_data(tmp_path / "var", {"FRESHET_DATA": str(tmp_path / "nowhere")})


def test_a_corrupt_download_leaves_nothing_behind(tmp_path: Path, local_index: Path) -> None:
    _write_wheel(local_index, {"ml-100k.inter": b"other", "ml-100k.item": b"bytes"})
    with pytest.raises(DemoUnavailable, match="corrupt"):
        demo_data(tmp_path, {})
    assert not list((tmp_path / "data").iterdir())


def test_a_missing_wheel_is_one_sentence(tmp_path: Path, local_index: Path) -> None:
    with pytest.raises(DemoUnavailable, match=r"could not be fetched.*DATA=path"):
        demo_data(tmp_path, {})
    assert not list((tmp_path / "data").iterdir())


def test_a_damaged_folder_is_fetched_again(tmp_path: Path, local_index: Path) -> None:
    files = {"ml-100k.inter": b"ratings", "ml-100k.item": b"films"}
    file = _write_wheel(local_index, files)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    wheel = replace(MOVIELENS, sha256=digest, files=digests)
    folder = demo_data(tmp_path, {}, wheel)
    (folder / "ml-100k.item").write_bytes(b"half a f")
    assert demo_data(tmp_path, {}, wheel) == folder
    assert (folder / "ml-100k.item").read_bytes() == b"films"
    file.unlink()  # complete data needs no index
    assert demo_data(tmp_path, {}, wheel) == folder


@pytest.fixture
def local_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that is pip's only index."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def _write_wheel(folder: Path, files: dict[str, bytes]) -> Path:
    path = folder / "recbole-1.2.1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "recbole-1.2.1.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: recbole\nVersion: 1.2.1\n",
        )
        archive.writestr(
            "recbole-1.2.1.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        for name, content in files.items():
            archive.writestr(f"{MOVIELENS.inside}/{name}", content)
    return path
