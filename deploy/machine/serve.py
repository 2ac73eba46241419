"""`make serve`: everything on one machine.

    python -m deploy.machine.serve [--data PATH]

It ingests data once, starts TorchServe, the gateway and the worker under supervisord, waits for a
live release, and stops everything at Ctrl-C or SIGTERM.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import FrameType

from cron.errors import FreshetError
from cron.project_root import PROJECT_ROOT
from cron.settings.file import load_settings
from cron.settings.keys import variable
from cron.settings.places import var_folder
from cron.settings.private_files import close_to_others, keep_private
from cron.settings.tree import Settings
from cron.urls.torchserve import Node
from cron.urls.torchserve import parse as parse_nodes
from cron.wiring import open_ledger
from deploy.machine.commands import commands
from deploy.machine.endpoints import Endpoints, endpoints
from deploy.machine.first_data import ingest_once, was_ingested
from deploy.machine.preflight import NotReady, check_disk, check_ports, only_instance
from deploy.machine.ready import has_keys, ready_block
from deploy.machine.waiting import wait_for_answer, wait_until_ready
from deploy.supervision.configuration import STOP_S, Place, Supervised
from deploy.supervision.supervisor import SUPERVISORD, Supervisor

LOOK_S = 2.0  # how often the programs are looked at once all of them run
# How often a program that was given up is started again: a full disk, a taken port and a server
# that was away often go by themselves.
RETRY_S = 60.0


class Stop(BaseException):
    """A signal asked us to end; not an Exception, so that no handler takes it for an error."""


def serve(settings: Settings, data: Path | None, environment: Mapping[str, str]) -> None:
    """Run the whole machine until a signal; raise FreshetError if it can't run."""
    var = var_folder(settings)
    with only_instance(var):
        if warning := check_disk(var, is_first_start=not was_ingested(var)):
            print(warning, file=sys.stderr, flush=True)
        where = endpoints(settings)
        node = parse_nodes(settings.store.server, var=var)[0]  # the one that is started here
        _check_management(node)
        _check_keys(where, var)
        check_ports(_addresses(settings, where))
        ingested = ingest_once(var, data, environment)
        programs = {
            name: Supervised(command=command)
            for name, command in commands(settings, node, where).items()
        }
        supervisor = Supervisor(Place(root=PROJECT_ROOT, var=var))
        try:
            _print_start(settings, var)
            # The worker ends by itself before it would be killed.
            grace_s = min(settings.worker.grace_s, STOP_S - 1)
            supervisor.start(programs, {**environment, variable("worker.grace_s"): str(grace_s)})
            ledger = open_ledger(settings.store.ledger)
            live, why_baseline = wait_until_ready(
                ledger,
                var,
                supervisor.check,
                wait_for_gateway=lambda: wait_for_answer(where, supervisor.check),
            )
            where = replace(where, asks_for_key=where.asks_for_key or has_keys(ledger))
            block = ready_block(
                live, why_baseline, where, data=ingested.path, user_id=ingested.user_id
            )
            print(block, flush=True)
            stay(supervisor)
        finally:
            for one in (signal.SIGINT, signal.SIGTERM):
                signal.signal(one, signal.SIG_IGN)  # we are stopping already
            print("\nStopping", flush=True)
            supervisor.stop(limit_s=STOP_S + 1.0)


def stay(
    supervisor: Supervisor,
    *,
    retry_s: float = RETRY_S,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Stay until a signal; report programs that ended, and start again those given up.

    supervisord itself starts a program again that ended after it was up.
    """
    reported: set[str] = set()
    retry_at = time.monotonic() + retry_s
    while True:
        retry = time.monotonic() > retry_at
        for failure in supervisor.given_up():
            if failure.name == SUPERVISORD:
                raise failure
            if failure.name not in reported:
                print(
                    f"{failure}\nThe other programs run on; it is started again every "
                    f"{retry_s:.0f} s.",
                    file=sys.stderr,
                    flush=True,
                )
                reported.add(failure.name)
            if retry:
                supervisor.start_program(failure.name)
        for name in supervisor.started_again():
            if name not in reported:
                log = supervisor.place.log_of(name)
                print(
                    f"{name} ended unexpectedly and was started again; its log is {log}",
                    file=sys.stderr,
                    flush=True,
                )
        states = supervisor.states()
        for name in [name for name in reported if states.get(name) == "RUNNING"]:
            print(f"{name} runs again", file=sys.stderr, flush=True)
            reported.discard(name)
        if retry:
            retry_at = time.monotonic() + retry_s
        sleep(LOOK_S)


def other_nodes(settings: Settings) -> str:
    """Name the TorchServe nodes that `serve` does not start: all but the first."""
    return ", ".join(node.address for node in parse_nodes(settings.store.server)[1:])


def _print_start(settings: Settings, var: Path) -> None:
    logs = var / "log"
    print(f"Starting TorchServe, the gateway and the worker; their logs are in {logs}", flush=True)
    if others := other_nodes(settings):
        print(
            f"  not started here: the other nodes in {variable('store.server')}, {others}",
            flush=True,
        )


def _check_keys(where: Endpoints, var: Path) -> None:
    """Raise NotReady if the settings name another key file than the one TorchServe writes."""
    written = var / "torchserve" / "key_file.json"
    if where.keys is not None and where.keys.resolve() != written.resolve():
        raise NotReady(
            f"keys={where.keys} in {variable('store.server')}: TorchServe writes its keys into "
            f"{written}; name that file there"
        )


def _check_management(node: Node) -> None:
    """Raise NotReady for a TorchServe that anybody on the network could manage."""
    if node.socket is None and node.keys is None:
        raise NotReady(
            f"{variable('store.server')} names {node.host}, which is not a loopback address, so "
            "TorchServe would be managed over the network, where it asks for a key: add "
            "&keys=PATH (docs/backends.md), or name 127.0.0.1"
        )


def _addresses(settings: Settings, where: Endpoints) -> dict[str, tuple[str, int]]:
    """Return every (host, port) that is listened on, by the setting that chooses it."""
    worker, gateway, host = settings.worker, settings.gateway, where.server_host
    server = variable("store.server")
    addresses = {
        variable("gateway.port"): (gateway.host, gateway.port),
        f"the port in {server}": (host, where.management_port),
        f"inference= in {server}": (host, where.inference_port),
        f"the port in {server}, plus one": (host, where.metrics_port),
    }
    if worker.metrics_port:
        metrics = (worker.metrics_host, worker.metrics_port)
        addresses[variable("worker.metrics_port")] = metrics
    return addresses


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise Stop


def main(arguments: list[str]) -> int:
    """Serve; return 0 after a signal, 1 with one sentence if it can't run."""
    keep_private()
    parser = argparse.ArgumentParser(
        prog="make serve", description="Run TorchServe, the gateway and the worker on this machine."
    )
    parser.add_argument(
        "--data",
        type=Path,
        help="a data set whose files are recognised (docs/data.md); without it MovieLens 100K is "
        "fetched",
    )
    data = parser.parse_args(arguments).data
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, _stop)
    try:
        if data is not None and not data.exists():
            raise NotReady(f"DATA={data}: the file or folder does not exist")
        settings = load_settings(None, os.environ).settings
        close_to_others(settings.store)
        serve(settings, data, os.environ)
    except Stop:
        return 0
    except (FreshetError, OSError) as why:
        print(why, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
