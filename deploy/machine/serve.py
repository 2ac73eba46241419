"""Everything on one machine: `make serve`, or

    python -m deploy.machine.serve [--data PATH]

Fetches and ingests data once, starts TorchServe, the gateway and the worker under supervisord,
waits for a live release, and stops all of it at Ctrl-C or SIGTERM. Knows the order of things; does
not know how any of them works.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

from cron.errors import FreshetError
from cron.project_root import PROJECT_ROOT
from cron.settings.file import load_settings
from cron.settings.keys import variable
from cron.settings.places import var_folder
from cron.settings.private_files import close_to_others, keep_private
from cron.settings.tree import Settings
from cron.urls import files
from cron.urls.torchserve import Node
from cron.urls.torchserve import parse as parse_nodes
from cron.wiring import open_ledger
from deploy.machine.first_data import ingest_once, was_ingested
from deploy.machine.preflight import NotReady, check_disk, check_ports, only_instance
from deploy.machine.processes import STOP_S, SUPERVISORD, Place, Processes
from deploy.machine.ready import (
    Endpoints,
    endpoints,
    ready_block,
    wait_for_answer,
    wait_for_release,
)
from deploy.servers.confined import confined
from deploy.servers.verified_python import signature_options

LOOK_S = 2.0  # how often the programs are looked at once all is well
# what was given up is started again so often: a full disk, a port that was taken, a server that was
# away
RETRY_S = 60.0


class Stop(BaseException):
    """A signal asked us to end; not an Exception, so that nothing on the way takes it for an error."""


def serve(settings: Settings, data: Path | None, environment: Mapping[str, str]) -> None:
    """Run the whole machine until a signal; raise FreshetError when it can't be."""
    var = var_folder(settings)
    with only_instance(var):
        if warning := check_disk(var, is_first_start=not was_ingested(var)):
            print(warning, file=sys.stderr, flush=True)
        where = endpoints(settings)
        _check_management(_node(settings))
        _check_keys(where, var)
        check_ports(_addresses(settings, where))
        ingested = ingest_once(var, data, environment)
        processes = Processes(Place(root=PROJECT_ROOT, var=var), _commands(settings, where))
        try:
            print(
                f"Starting TorchServe, the gateway and the worker; their logs are in {var / 'log'}",
                flush=True,
            )
            if others := other_nodes(settings):
                print(
                    f"  not started here, as {variable('store.server')} has them beside the first: {others}",
                    flush=True,
                )
            grace_s = min(
                settings.worker.grace_s, STOP_S - 1
            )  # the worker ends by itself before it would be killed
            processes.start({**environment, variable("worker.grace_s"): str(grace_s)})
            live, why_baseline = wait_for_release(
                open_ledger(settings.store.ledger), var, processes.check
            )
            wait_for_answer(where, processes.check)
            print(
                ready_block(
                    live, why_baseline, where, data=ingested.path, user_id=ingested.user_id
                ),
                flush=True,
            )
            _stay(processes)
        finally:
            for one in (signal.SIGINT, signal.SIGTERM):
                signal.signal(one, signal.SIG_IGN)  # we are stopping already
            print("\nStopping", flush=True)
            processes.stop()


def other_nodes(settings: Settings) -> str:
    """Name the TorchServe nodes that `serve` does not start: all but the first."""
    return ", ".join(node.address for node in parse_nodes(settings.store.server)[1:])


def _check_keys(where: Endpoints, var: Path) -> None:
    """Raise NotReady when the settings look for TorchServe's keys where the one that we start does not write them."""
    written = var / "torchserve" / "key_file.json"
    if where.keys is not None and where.keys.resolve() != written.resolve():
        raise NotReady(
            f"keys={where.keys} in {variable('store.server')}: TorchServe writes its keys into {written}; name that file there"
        )


def _check_management(node: Node) -> None:
    """Raise NotReady for a TorchServe that anybody on the network could manage."""
    if node.socket is None and node.keys is None:
        wanted = "it would be managed by network, where it asks for a key: add &keys=PATH (docs/backends.md), or name 127.0.0.1"
        raise NotReady(
            f"{variable('store.server')} names {node.host}, which is not loopback: {wanted}"
        )


def _stay(processes: Processes) -> None:
    """Stay until a signal ends us; tell once which programs are given up, leave the others running, and try those again."""
    told: set[str] = set()
    retry_at = time.monotonic() + RETRY_S
    while True:
        retry = time.monotonic() > retry_at
        for failure in processes.given_up():
            if failure.name == SUPERVISORD:
                raise failure
            if failure.name not in told:
                print(
                    f"{failure}\nThe others go on; it is started again every {RETRY_S:.0f} s.",
                    file=sys.stderr,
                    flush=True,
                )
                told.add(failure.name)
            if retry:
                processes.start_again(failure.name)
        for name in [name for name in told if processes.states().get(name) == "RUNNING"]:
            print(f"{name} runs again", file=sys.stderr, flush=True)
            told.discard(name)
        if retry:
            retry_at = time.monotonic() + RETRY_S
        time.sleep(LOOK_S)


def _node(settings: Settings) -> Node:
    """Return the node that is started here: the first."""
    return parse_nodes(settings.store.server, var=var_folder(settings))[0]


def _commands(settings: Settings, where: Endpoints) -> dict[str, list[str]]:
    node = _node(settings)
    ports = {
        "--inference": node.inference_port,
        "--management": node.management_port,
        "--metrics": where.metrics_port,
    }
    options = [str(part) for option in ports.items() for part in option]
    options += ["--tokens"] if node.keys else []
    options += ["--socket", str(node.socket)] if node.socket is not None else ["--remote"]
    folders = ["--var", str(var_folder(settings)), *archive_options(settings)]
    door = [
        sys.executable,
        "-m",
        "deploy.servers.management_door",
        "--host",
        node.host,
        f"{node.management_port}={node.socket}",
    ]
    return {
        "torchserve": [
            sys.executable,
            "-m",
            "deploy.servers.torchserve",
            *folders,
            "--host",
            node.host,
            *options,
        ],
        **({"management": confined("server", door)} if node.socket is not None else {}),
        "gateway": confined("gateway", [sys.executable, "-m", "gateway"]),
        "worker": confined("worker", [sys.executable, "-m", "cron", "worker"]),
    }


def archive_options(settings: Settings) -> list[str]:
    """Return TorchServe's options: its model store is the store of archives, or it fetches them from a bucket into one of its own."""
    url, signatures = settings.store.artifacts, signature_options(settings)
    if not url.startswith("s3:"):
        return ["--model-store", str(files.parse(url).path), *signatures]
    from cron.backends.artifacts.s3.client import archives_url
    from cron.urls import s3

    shared = s3.parse(url).shared
    if shared is not None:
        return ["--model-store", str(shared), *signatures]
    return [
        "--model-store",
        str(var_folder(settings) / "model-store"),
        "--archives",
        archives_url(url),
        *signatures,
    ]


def _addresses(settings: Settings, where: Endpoints) -> dict[str, tuple[str, int]]:
    worker = settings.worker
    figures = (
        {"FRESHET__WORKER__METRICS_PORT": (worker.metrics_host, worker.metrics_port)}
        if worker.metrics_port
        else {}
    )
    return figures | {
        "FRESHET__GATEWAY__PORT": (settings.gateway.host, settings.gateway.port),
        "the port in FRESHET__STORE__SERVER": (where.server_host, where.management_port),
        "inference= in FRESHET__STORE__SERVER": (where.server_host, where.inference_port),
        "the port in FRESHET__STORE__SERVER, which this is one above of": (
            where.server_host,
            where.metrics_port,
        ),
    }


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise Stop


def main(arguments: list[str]) -> int:
    """Serve; 0 after a signal, 1 with one sentence when it can't be."""
    keep_private()
    parser = argparse.ArgumentParser(
        prog="make serve", description="Run TorchServe, the gateway and the worker on this machine."
    )
    parser.add_argument(
        "--data",
        type=Path,
        help="a MovieLens folder or the publisher's zip; without it MovieLens 100K is fetched",
    )
    data = parser.parse_args(arguments).data
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, _stop)
    try:
        if data is not None and not data.exists():
            raise NotReady(f"DATA={data}: no such file or folder")
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
