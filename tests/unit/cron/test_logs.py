"""A program's log, without the noise of its libraries."""

from __future__ import annotations

from tests.contracts.records import start_process, wait_for_end

SLOW_JOB = """
import logging, sys, threading
from apscheduler.schedulers.background import BackgroundScheduler
from cron.logs import set_up_logs
sys.stderr = sys.stdout
set_up_logs()
ticks, go_on = [], threading.Event()
scheduler = BackgroundScheduler()
EVENT_JOB_MAX_INSTANCES = 2**16
def count(event):
    ticks.append(event)
    if len(ticks) > 2:
        go_on.set()
scheduler.add_listener(count, EVENT_JOB_MAX_INSTANCES)
scheduler.add_job(go_on.wait, "interval", seconds=0.05)
scheduler.start()
assert go_on.wait(30)
logging.getLogger("cron").info("our own", extra={"ticks": len(ticks) > 2})
"""


def test_a_job_longer_than_its_ticks_logs_no_line_for_each() -> None:
    """A follower that reads millions of events takes minutes, with one tick per second."""
    printed = wait_for_end(start_process(SLOW_JOB)).splitlines()
    assert len(printed) == 1
    assert printed[0].endswith("INFO cron: our own ticks=true")
