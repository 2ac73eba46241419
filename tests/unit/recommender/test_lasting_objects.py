"""What was imported is kept out of garbage collections, also when it was imported late."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import gc, importlib, sys
from recommender.lasting_objects import LastingObjects

def num_visited():
    gc.collect()
    return len(gc.get_objects())

lasting = LastingObjects()
lasting.keep()
assert num_visited() < 1_000
importlib.import_module("unittest.mock")
kept = [[] for _ in range(1_000)]
assert num_visited() > 2_000
lasting.keep()
assert num_visited() < 1_000
kept = [[] for _ in range(1_000)]
lasting.keep()
assert num_visited() > 1_000, "without an import nothing is kept: garbage would last too"
"""


def test_late_imports_stay_out_of_collections() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
