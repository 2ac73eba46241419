"""Help a machine's trainings with this machine's processors, until SIGTERM.

    python -m trainer.join --rdzv HOST:PORT --nproc 2 --nnodes 1:4

HOST:PORT and the numbers of nodes are those of the launcher's URL. The command waits for a
training, joins it under torchrun, and waits for the next one. It ends with status 1 when this
machine cannot take part, and says why. It may be killed at any time: the training then goes on
without it.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from trainer.machine.elastic_agent import ElasticAgent, Endpoint
from trainer.machine.prctl import die_with_parent
from trainer.machine.sentences import is_final

_ROOT = Path(__file__).resolve().parents[1]
_LOOK_EVERY_S = 2.0
_GRACE_S = 40.0  # torchrun gives its ranks 30 s to end


class _Ended(Exception):
    """SIGTERM or SIGINT has come."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    os.umask(0o077)
    agent = _parse(arguments)
    signal.signal(signal.SIGTERM, _end)
    sys.stdout.write(f"waiting for trainings at {agent.endpoint}\n")
    sys.stdout.flush()
    try:
        while True:
            address = _own_address(agent.endpoint)
            if address is not None and (sentence := _help(agent, address)) is not None:
                sys.stderr.write(f"this machine cannot take part: {sentence}\n")
                return 1
            threading.Event().wait(_LOOK_EVERY_S)
    except (_Ended, KeyboardInterrupt):
        return 0


def _end(*_: object) -> None:
    raise _Ended


def _parse(arguments: Sequence[str] | None) -> ElasticAgent:
    parser = argparse.ArgumentParser(
        prog="python -m trainer.join", description="Help the trainings of another machine."
    )
    parser.add_argument("--rdzv", required=True, metavar="HOST:PORT", help="where trainings meet")
    parser.add_argument("--nproc", type=int, default=1, help="the number of ranks on this machine")
    parser.add_argument("--nnodes", required=True, metavar="MIN:MAX", help="as in the URL")
    given = parser.parse_args(arguments)
    host, _, port = given.rdzv.rpartition(":")
    least, _, most = given.nnodes.partition(":")
    try:
        return ElasticAgent(
            endpoint=Endpoint(host=host, port=int(port)),
            num_processes=given.nproc,
            min_nodes=int(least),
            max_nodes=int(most or least),
        )
    except ValueError:
        parser.error("--rdzv is HOST:PORT, and --nnodes is MIN:MAX, as in the launcher's URL")


def _own_address(endpoint: Endpoint) -> str | None:
    """Return this machine's address as seen from the endpoint; None while nothing answers there."""
    try:
        with socket.create_connection((endpoint.host, endpoint.port), timeout=_LOOK_EVERY_S) as met:
            address: str = met.getsockname()[0]
            return address
    except OSError:
        return None


def _help(agent: ElasticAgent, address: str) -> str | None:
    """Take part in a training until it ends; return the sentence if this machine cannot."""
    child = subprocess.Popen(
        agent.command(sys.executable, address=address, is_host=False, of_trainer=("--follows",)),
        cwd=_ROOT,
        env=agent.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        preexec_fn=die_with_parent,  # noqa: PLW1509 - only a system call
    )
    assert child.stdout is not None
    sentence = None
    try:
        for line in child.stdout:
            sys.stdout.write(line)
            sys.stdout.flush()
            if sentence is None and is_final(line):
                sentence = line.strip()
                child.terminate()
    finally:
        _stop(child)
    return sentence


def _stop(child: subprocess.Popen[str]) -> None:
    """End torchrun, which ends its ranks after their step."""
    child.terminate()
    try:
        child.wait(timeout=_GRACE_S)
    except subprocess.TimeoutExpired:
        child.kill()  # its ranks die with it
        child.wait()


if __name__ == "__main__":
    sys.exit(main())
