"""What a program's log tells, and what of its libraries it leaves out."""

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
scheduler.add_listener(lambda event: (ticks.append(event), len(ticks) > 2 and go_on.set()), 2**16)  # EVENT_JOB_MAX_INSTANCES
scheduler.add_job(go_on.wait, "interval", seconds=0.05)
scheduler.start()
assert go_on.wait(30)
logging.getLogger("cron").info("our own", extra={"ticks": len(ticks) > 2})
"""


def test_a_job_that_outlasts_its_ticks_gives_no_line_for_each() -> None:
    """Histories that follow millions of events take minutes, with a tick a second."""
    printed = wait_for_end(start_process(SLOW_JOB)).splitlines()
    assert len(printed) == 1
    assert printed[0].endswith("INFO cron: our own ticks=true")
