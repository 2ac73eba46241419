"""`make stack`, `make stack-status`, `make stack-down`: the whole stack on this machine.

    python -m deploy.stack up [--data PATH]
    python -m deploy.stack status
    python -m deploy.stack down

`up` returns when a release is live, and leaves everything running. While the stack runs, another
`up` prints where things are.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from cron.errors import FreshetError
from cron.project_root import PROJECT_ROOT
from cron.settings.file import FILE_VARIABLE, Loaded, load_settings
from cron.settings.keys import variable
from cron.settings.private_files import close_to_others, keep_private
from cron.settings.tree import Settings
from cron.wiring import open_ledger
from deploy.machine.first_data import ingest_once, was_ingested
from deploy.machine.preflight import NotReady, check_disk, check_ports
from deploy.machine.ready import has_keys
from deploy.machine.waiting import wait_until_ready
from deploy.servers.kafka import create_topics
from deploy.servers.program import Program, new_folder
from deploy.servers.topics import topics
from deploy.stack.layout import Layout, choose_inner, layout
from deploy.stack.programs import SERVER_STOP_S, build, is_up, supervised_programs, write_secrets
from deploy.stack.ready import ready_block
from deploy.supervision.configuration import STOP_S, Place
from deploy.supervision.supervisor import ProgramFailed, Supervisor
from trainer.machine.file_lock import LockHeld, file_lock

CLUSTER = PROJECT_ROOT / "deploy" / "cluster.toml"
POLL_S = 0.2
GATEWAY_LIMIT_S = 60.0
# What uses the servers ends before them.
UPPER = ("worker", "gateway", "flink-join", "management", "torchserve-a", "torchserve-b")


def up(loaded: Loaded, data: Path | None, environment: Mapping[str, str]) -> None:
    """Start what is not up, wait for a live release and print where everything is.

    Raise FreshetError if that fails.
    """
    settings = loaded.settings
    place = layout(settings)
    supervisor = _supervisor(place)
    with _only_command(place.home):
        if not supervisor.runs:
            if warning := check_disk(place.home, is_first_start=not was_ingested(place.home)):
                say(warning)
            check_ports(place.addresses())
            taken = {port for _, port in place.addresses().values()}
            place = replace(place, inner=choose_inner(place.home, taken=taken))
        say("Looking for the servers' programs; missing ones are fetched (400 MB the first time)")
        stack = build(settings, place, lambda name: say(f"  {name}"))
        secrets = write_secrets(place, stack, loaded.file or CLUSTER)
        inherited = _environment(environment, stack.secrets, loaded.file or CLUSTER, settings)
        os.environ.update(inherited)  # our own clients read passwords there too
        if not supervisor.runs:
            supervisor.start(supervised_programs(stack), inherited, stays=True)
        _start(supervisor, stack.servers)
        _wait(supervisor, stack.servers)
        create_topics(place.bootstrap, topics(settings.store.events))
        note = ingest_once(place.home, data, inherited)
        _start(supervisor, {**stack.flink, **stack.freshet})

        def wait_for_gateway() -> None:
            _wait(supervisor, {**stack.flink, **stack.freshet})
            _wait_for_answer(supervisor, place)

        ledger = open_ledger(settings.store.ledger)
        live, why_baseline = wait_until_ready(
            ledger,
            place.home,
            supervisor.check,
            wait_for_gateway=wait_for_gateway,
        )
    asks_for_key = settings.gateway.api_key is not None or has_keys(ledger)
    say(
        ready_block(
            live, why_baseline, place, note=note, secrets=secrets, asks_for_key=asks_for_key
        )
    )


def status(loaded: Loaded) -> int:
    """Print each program's state; return 0 when all run."""
    place = layout(loaded.settings)
    states = _supervisor(place).states()
    if not states:
        say(f"The stack in {place.home} is not running; start it with: make stack")
        return 1
    for name, state in states.items():
        say(f"{name:<18}{state.lower()}")
    return 0 if set(states.values()) == {"RUNNING"} else 1


def down(loaded: Loaded) -> None:
    """Stop everything, users of the servers first; leave no process. The data stays."""
    place = layout(loaded.settings)
    supervisor = _supervisor(place)
    with _only_command(place.home):
        say("Stopping the stack")
        supervisor.stop_programs(UPPER, limit_s=STOP_S + 2)
        ended = supervisor.stop(limit_s=SERVER_STOP_S + 5)
        say(f"stopped; the data stays in {place.home}" if ended else "nothing was running")


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)


def _supervisor(place: Layout) -> Supervisor:
    return Supervisor(Place(root=PROJECT_ROOT, var=place.home))


def _start(supervisor: Supervisor, programs: Mapping[str, Program]) -> None:
    states = supervisor.states()
    new = [name for name in programs if states.get(name) not in ("STARTING", "RUNNING")]
    if new:
        say(f"Starting {', '.join(new)}")
    for name in new:
        supervisor.start_program(name)


def _wait(supervisor: Supervisor, programs: Mapping[str, Program]) -> None:
    """Wait until each is ready; raise ProgramFailed for one that ends or takes too long."""
    began = time.monotonic()
    waiting = dict(programs)
    while waiting:
        supervisor.check()
        for name in [name for name, program in waiting.items() if program.is_ready()]:
            del waiting[name]
        waited_s = time.monotonic() - began
        for name, program in waiting.items():
            if waited_s > program.starts_within_s:
                log = supervisor.place.log_of(name)
                raise ProgramFailed(name, log=log, waited_s=waited_s)
        if waiting:
            time.sleep(POLL_S)


def _wait_for_answer(supervisor: Supervisor, place: Layout) -> None:
    """Wait until the gateway reports that a live model answers."""
    deadline = time.monotonic() + GATEWAY_LIMIT_S
    while not is_up(f"http://127.0.0.1:{place.gateway}/readyz"):
        supervisor.check()
        if time.monotonic() > deadline:
            log = supervisor.place.log_of("gateway")
            raise ProgramFailed("gateway", log=log, waited_s=GATEWAY_LIMIT_S)
        time.sleep(POLL_S)


def _environment(
    environment: Mapping[str, str], secrets: Mapping[str, str], config: Path, settings: Settings
) -> dict[str, str]:
    """Return the environment of every program of the stack."""
    # The worker ends by itself before it would be killed.
    grace_s = min(settings.worker.grace_s, STOP_S - 1)
    return {
        **environment,
        **secrets,
        FILE_VARIABLE: str(config),
        variable("worker.grace_s"): str(grace_s),
    }


@contextmanager
def _only_command(home: Path) -> Iterator[None]:
    """Hold the lock of the folder, so that no two starts or stops mix."""
    try:
        with file_lock(new_folder(home) / "stack.lock", wait=False):
            yield
    except LockHeld:
        raise NotReady(
            f"another make stack or make stack-down is running in {home}; wait until it ends, "
            "or press Ctrl-C there"
        ) from None


def main(arguments: list[str]) -> int:
    """Run a command; return 0 when done, 1 with a sentence when it failed."""
    keep_private()
    parser = argparse.ArgumentParser(
        prog="python -m deploy.stack",
        description="Run Freshet on real servers, all on this machine.",
    )
    parser.add_argument("what", choices=("up", "status", "down"))
    parser.add_argument(
        "--data",
        type=Path,
        help="the first data, as for make serve; without it MovieLens 100K is fetched",
    )
    given = parser.parse_args(arguments)
    try:
        if given.data is not None and not given.data.exists():
            raise NotReady(f"DATA={given.data}: the file or folder does not exist")
        # deploy/cluster.toml, unless another file is named
        loaded = load_settings(None, {FILE_VARIABLE: str(CLUSTER), **os.environ})
        close_to_others(loaded.settings.store)
        if given.what == "status":
            return status(loaded)
        if given.what == "down":
            down(loaded)
        else:
            up(loaded, given.data, os.environ)
    except (FreshetError, OSError) as why:
        print(why, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "\nInterrupted; the programs run on. make stack continues, make stack-down stops them.",
            file=sys.stderr,
        )
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
