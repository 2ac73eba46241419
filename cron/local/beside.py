"""Repeats a small piece of work in a thread while a long one runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def repeating(work: Callable[[], bool], *, every_s: float) -> Iterator[None]:
    """Call `work` every `every_s` seconds while the block runs, until it returns False."""
    done = threading.Event()

    def repeat() -> None:
        while not done.wait(every_s) and work():
            pass

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
