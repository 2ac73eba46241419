"""Machines of a Ray cluster's autoscaler, around a training.

    python -m trainer.ray_machines --address ray://head:10001 [--gpus 1] start 2
    python -m trainer.ray_machines --address ray://head:10001 [--gpus 1] joined
    python -m trainer.ray_machines --address ray://head:10001 [--gpus 1] stop

A machine is room for a worker: one processor, and the GPUs that are asked for. The autoscaler keeps
what is asked for until `stop`; then it stops machines that were idle for its own time. `joined`
prints how many workers have room. Requests stay in the cluster, so any process may call `stop`.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Iterable, Mapping, Sequence

from trainer.cluster.joining import join
from trainer.cluster.messages import last_line


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    os.umask(0o077)
    given = _parse(arguments)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # send no usage reports
    import ray
    from ray.autoscaler.sdk import request_resources

    room = {"CPU": 1.0, **({"GPU": float(given.gpus)} if given.gpus else {})}
    try:
        join(
            lambda: ray.init(
                address=given.address, log_to_driver=False, logging_level=logging.ERROR
            )
        )
        if given.action == "joined":
            nodes = ray.nodes()  # type: ignore[no-untyped-call]
            sys.stdout.write(f"{num_rooms(nodes, room)}\n")
            return 0
        number = given.number if given.action == "start" else 0
        ask = ray.remote(num_cpus=0)(request_resources)
        ray.get(ask.remote(bundles=[room] * number))
    except Exception as error:  # whatever Ray raises, the caller gets one sentence
        sys.stderr.write(f"on Ray: {last_line(error)}\n")
        return 1
    finally:
        ray.shutdown()
    return 0


def num_rooms(nodes: Iterable[Mapping[str, object]], room: Mapping[str, float]) -> int:
    """Return how many times the resources of a worker fit on the machines that are alive."""
    total = 0
    for node in nodes:
        resources = node.get("Resources")
        if not node.get("Alive") or not isinstance(resources, Mapping):
            continue
        total += min(int(resources.get(name, 0.0) // amount) for name, amount in room.items())
    return total


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m trainer.ray_machines",
        description="Start and stop machines of a Ray cluster's autoscaler.",
        allow_abbrev=False,
    )
    parser.add_argument("--address", required=True, help="the cluster, as for ray.init")
    parser.add_argument("--gpus", type=int, default=0, help="GPUs of each machine")
    actions = parser.add_subparsers(dest="action", required=True)
    start = actions.add_parser("start", help="ask for machines")
    start.add_argument("number", type=int, help="how many")
    actions.add_parser("joined", help="print how many are ready")
    actions.add_parser("stop", help="give all back")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
