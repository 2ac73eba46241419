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
