"""A file is replaced in one step or not at all."""

from pathlib import Path

import pytest

from trainer.machine.durable_files import replace_text, replacing, sha256_of


@pytest.mark.parametrize("durable", [True, False])
def test_a_file_is_replaced_as_a_whole(tmp_path: Path, durable: bool) -> None:
    file = tmp_path / "new" / "file.json"
    replace_text(file, "old", durable=durable)
    replace_text(file, "new", durable=durable)
    assert [path.name for path in file.parent.iterdir()] == ["file.json"]
    assert file.read_text() == "new"


def test_an_error_leaves_the_old_content(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("old")
    with pytest.raises(KeyError):
        _fail_half_way(file)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert file.read_text() == "old"


def test_sha256_of_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert sha256_of(tmp_path / "empty").startswith("e3b0c44298fc")


def _fail_half_way(file: Path) -> None:
    with replacing(file) as unfinished:
        unfinished.write_text("half of the new")
        raise KeyError
