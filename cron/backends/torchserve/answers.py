"""TorchServe's answers, parsed: versions, their workers, and the text of an error."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

import httpx

from cron.server_versions import ServerVersion

START_TIMEOUT_S = 330.0  # more than the startupTimeout of handler/model-config.yaml
_CLOCKS_DIFFER_S = 3600.0  # the most between our machine's clock and TorchServe's

Described = Mapping[str, object]  # one version, as the management API describes it


def version_of(described: Described) -> ServerVersion:
    """Return a version's number, workers and pending requests."""
    workers, queue = described["workers"], described.get("jobQueueStatus")
    ready = 0
    if isinstance(workers, list):
        ready = sum(worker["status"] == "READY" for worker in workers)
    least = described["minWorkers"]
    return ServerVersion(
        version=int(str(described["modelVersion"])),
        ready_workers=ready,
        min_workers=least if isinstance(least, int) else 1,
        pending_requests=queue["pendingRequests"] if isinstance(queue, dict) else 0,
    )


def start_time(described: Described) -> str | None:
    """Return when a version's worker was first started, by TorchServe's clock.

    The time stays the same when the worker is started again.
    """
    workers = described["workers"]
    if not isinstance(workers, list):
        return None
    return max((str(worker["startTime"]) for worker in workers), default=None)


def may_be_starting(started: str, now: datetime) -> bool:
    """Return whether a worker may be in its first start, even when the two clocks differ."""
    limit = timedelta(seconds=START_TIMEOUT_S + _CLOCKS_DIFFER_S)
    return now - datetime.fromisoformat(started) < limit


def worker_pids(described: Described) -> set[int]:
    """Return the worker's process id; none until TorchServe knows it (-1)."""
    workers = described["workers"]
    if not isinstance(workers, list):
        return set()
    return {worker["pid"] for worker in workers if worker["pid"] > 0}


def error_text(answer: httpx.Response) -> str:
    """Return the message in TorchServe's error body."""
    text = answer.text[:500]
    try:
        body = answer.json()
    except ValueError:
        return without_signature(text)
    if isinstance(body, dict):
        text = str(body.get("message", body.get("error", answer.text)))
    return without_signature(text)


def without_signature(text: str) -> str:
    """Remove the signature from signed URLs, which TorchServe's messages repeat.

    With it anybody could fetch the archive.
    """
    return re.sub(r"[?&]X-Amz-[^\s'\"]*", "?…", text)
