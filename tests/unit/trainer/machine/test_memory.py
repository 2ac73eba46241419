"""A process that keeps freed memory does not fetch it from the system again."""

import subprocess
import sys

SCRIPT = """
import resource, sys
import torch
from trainer.machine.memory import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(30):  # the heap grows for the first few
    torch.ones(10_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_memory_is_fetched_from_the_system_once() -> None:
    def page_faults(how: str) -> int:
        return int(
            subprocess.run(
                [sys.executable, "-c", SCRIPT, how], check=True, capture_output=True, text=True
            ).stdout
        )

    assert page_faults("keep") < page_faults("give back") / 2


LARGE = """
import sys
import torch
from bench.speed.process_memory import memory_mib
from trainer.machine.memory import keep_freed_memory
keep_freed_memory(but_large_blocks=sys.argv[1] == "return")
blocks = [torch.ones(5_000_000) for _ in range(20)]  # 400 MB
held = memory_mib()
last = blocks.pop()
blocks.clear()
print(held - memory_mib())
"""


def test_large_blocks_are_returned_where_asked_for() -> None:
    """A block that is still in use does not keep the ones that were freed before it."""

    def returned_mib(how: str) -> float:
        command = [sys.executable, "-c", LARGE, how]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    assert returned_mib("return") > 300
    assert returned_mib("keep") < 100
