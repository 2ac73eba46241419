"""One process at a time holds a file lock."""

import threading
from pathlib import Path

import pytest

from trainer.machine.file_lock import LockHeld, file_lock


def test_a_second_holder_is_refused_and_sees_the_first(tmp_path: Path) -> None:
    file = tmp_path / "new" / "lock"
    with file_lock(file, holder="process 7\n"):
        refused = pytest.raises(LockHeld, match="is locked by process 7")
        with refused, file_lock(file, wait=False, holder="process 8\n"):
            pass
        assert file.read_text() == "process 7\n"
    with file_lock(file, wait=False, holder="process 8\n"):
        assert file.read_text() == "process 8\n"


def test_a_waiting_holder_gets_the_lock_when_it_is_free(tmp_path: Path) -> None:
    entered = threading.Event()

    def work() -> None:
        with file_lock(tmp_path / "lock"):
            entered.set()

    with file_lock(tmp_path / "lock"):
        waiting = threading.Thread(target=work)
        waiting.start()
        assert not entered.wait(0.1)
    assert entered.wait(60)
    waiting.join()
