"""What ended processes used is counted, whoever of the server's tree was their parent."""

from __future__ import annotations

import subprocess
import sys

import psutil

from bench.scale.cycle_usage import tree_s

WORKER_ENDS = """
import resource, subprocess, sys
subprocess.run([sys.executable, "-c", "sum(range(10**7))"], check=True)
ended = resource.getrusage(resource.RUSAGE_CHILDREN)
print(ended.ru_utime + ended.ru_stime, flush=True)
sys.stdin.read()
"""
TICK_S = 0.02  # processor time is counted in hundredths of a second


def test_a_worker_of_the_fork_server_counts_after_its_end() -> None:
    server = subprocess.Popen(
        ["sh", "-c", '"$0" -c "$1"; true', sys.executable, WORKER_ENDS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    ended_s = float(server.stdout.readline())
    found_s = tree_s(psutil.Process(server.pid))
    server.communicate("")
    assert ended_s > TICK_S
    assert found_s > ended_s - TICK_S
