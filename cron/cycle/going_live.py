"""The last steps of a run: register a version, probe it, and switch to it if accepted.

A candidate on trial is brought up first, and goes live at the end of its trial.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from cron.cycle import stages
from cron.cycle.open_run import OpenRun
from cron.cycle.probe import probe
from cron.cycle.steps import Done
from cron.errors import ServerRefused, Stopped, Unanswered
from cron.gate.verdict import Verdict
from cron.ledger import lease_row, trial_rows
from cron.lineage import Lease, Manifest
from cron.services import Services
from cron.serving import release
from cron.serving.restore import check_room, restore
from trainer.machine.retries import RetryPolicy, call_with_retries

log = logging.getLogger(__name__)

_SERVER_TRIES = 3  # a worker that was killed is READY again in 2 to 4 s


def go_live(open_run: OpenRun, manifest: Manifest) -> Verdict:
    """Register, probe and switch; start again when the server fails. Return the online verdict.

    A worker that died is READY again, or loaded again, when the registration returns. Raise the
    error of the last try: a fault of the machinery says nothing about the model.
    """
    return _try_again(open_run, lambda: _try_to_go_live(open_run, manifest))


def bring_up(open_run: OpenRun, manifest: Manifest) -> Verdict:
    """Register and probe as `go_live` does, and change nothing else."""
    return _try_again(open_run, lambda: _try_to_bring_up(open_run, manifest))


def _try_again(open_run: OpenRun, work: Callable[[], Verdict]) -> Verdict:
    def report(error: BaseException, _: int) -> None:
        log.warning(
            "the server is tried again", extra={"run_id": open_run.run.run_id, "why": str(error)}
        )

    def pause(seconds: float) -> None:
        if open_run.services.stop.wait(seconds):
            raise Stopped

    policy = RetryPolicy(
        may_pass=_may_pass,
        max_tries=_SERVER_TRIES,
        first_pause_s=open_run.services.settings.worker.poll_s,
    )
    return call_with_retries(policy, work, sleep=pause, before_pause=report)


def _try_to_go_live(open_run: OpenRun, manifest: Manifest) -> Verdict:
    services, lease = open_run.services, open_run.lease
    online = _try_to_bring_up(open_run, manifest)
    if online.is_accepted:
        open_run.repeat("set_live", lambda: _set_live(services, manifest, lease))
    return online


def _try_to_bring_up(open_run: OpenRun, manifest: Manifest) -> Verdict:
    services, lease = open_run.services, open_run.lease
    open_run.repeat("register", lambda: _register(services, manifest, lease))
    # after a trial, which another host may have begun: the probe's files are there
    is_tried = trial_rows.find(services.ledger, manifest.version) is not None
    if is_tried:
        return open_run.step("probe", Verdict, lambda: _probe(open_run, manifest))
    return open_run.repeat("probe", lambda: _probe(open_run, manifest))


def _may_pass(error: BaseException) -> bool:
    """Return whether a repetition may help.

    409 is a version without a READY worker, 200 one that lost it while it was registered.
    """
    if isinstance(error, ServerRefused):
        return error.status >= 500 or error.status in (200, 409)
    return isinstance(error, Unanswered)


def _register(services: Services, manifest: Manifest, lease: Lease) -> Done:
    """Register the version.

    The live one is restored first: the first version on an empty server becomes its default.
    """
    with services.serving_lock:
        restore(services)
    if manifest.version not in {found.version for found in services.server.versions()}:
        check_room(services.server)
    lease_row.check(services.ledger, lease)
    services.server.register(manifest.version, release.archive_url(services.artifacts, manifest))
    return Done()


def _probe(open_run: OpenRun, manifest: Manifest) -> Verdict:
    services, gate = open_run.services, open_run.services.settings.gate
    golden = stages.golden(services.paths, services.ledger, open_run.run, limit=gate.num_probes)
    return probe(services.server, manifest.version, golden, limit_ms=gate.probe_p99_ms)


def _set_live(services: Services, manifest: Manifest, lease: Lease) -> Done:
    with services.serving_lock:
        release.publish(
            services.ledger,
            services.server,
            manifest.version,
            expected=manifest.supersedes,
            lease=lease,
        )
    return Done()
