"""The Flink job that joins impressions with clicks, submitted whenever it does not run.

    python -m deploy.stack.join --folder var/stack/flink --bootstrap 127.0.0.1:9092

This program never ends. A session cluster without ZooKeeper or Kubernetes loses its jobs when the
job manager ends; the job's checkpoints stay on disk, so the next submission resumes from the
newest. The job itself is deploy/flink/join.sql.
"""

from __future__ import annotations

import argparse
import logging
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from cron.errors import FreshetError, Unavailable
from cron.logs import set_up_logs
from cron.project_root import PROJECT_ROOT
from cron.settings.private_files import keep_private
from deploy.servers.flink import REST_PORT, Cluster, run_sql
from deploy.servers.maven import PARTS
from deploy.servers.program import Program, new_folder
from trainer.machine.file_lock import file_lock

log = logging.getLogger(__name__)

SQL = PROJECT_ROOT / "deploy" / "flink" / "join.sql"
TRANSACTION_LIMIT_S = 600.0  # as in the SQL: then the broker aborts a transaction
SUBMIT_LIMIT_S = 120.0  # 10 s on an idle machine
LOOK_EVERY_S = 2.0
ASK_LIMIT_S = 5.0
TOPICS = ("impressions", "clicks", "events", "rejected")
ENDED = ("FINISHED", "CANCELED", "FAILED")


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """One join: Kafka's address, the topics, and the folder of its checkpoints."""

    bootstrap: str
    checkpoints: Path
    impressions: str = "impressions"
    clicks: str = "clicks"
    events: str = "events"
    rejected: str = "rejected"

    @property
    def name(self) -> str:
        """The job's name, and its transactions' prefix: one job writes into one topic."""
        return f"freshet-join-{self.events}"


def join_program(cluster: Cluster, join: Join) -> Program:
    """Return the program that keeps the job running, ready when all of the job's tasks run."""
    command = [sys.executable, "-m", "deploy.stack.join"]
    command += ["--folder", str(cluster.folder.resolve()), "--rest-port", str(cluster.rest_port)]
    command += ["--parts", str(cluster.parts.resolve()), "--bootstrap", join.bootstrap]
    command += ["--checkpoints", str(join.checkpoints.resolve())]
    command += [word for topic in TOPICS for word in (f"--{topic}", str(getattr(join, topic)))]
    return Program(
        name="flink-join",
        command=tuple(command),
        is_ready=lambda: is_running(cluster, join),
        starts_within_s=SUBMIT_LIMIT_S,
    )


def submit(cluster: Cluster, join: Join) -> str:
    """Submit the job unless it runs, and return its id. It resumes from its newest checkpoint.

    Raise Unavailable when the cluster does not answer, FlinkFailed when it refuses the job.
    """
    # Two jobs of one name would fence each other off.
    with file_lock(new_folder(join.checkpoints) / "lock"):
        if found := _job(cluster, join):
            return found
        restore = checkpoint_to_restore(join.checkpoints, now=time.time())
        script = cluster.folder / f"{join.name}.sql"
        script.write_text(render(join, restore), encoding="utf-8")
        log.info(
            "submitting the join",
            extra={"job": join.name, "checkpoint": str(restore) if restore else None},
        )
        run_sql(cluster, script, limit_s=SUBMIT_LIMIT_S)
        if found := _job(cluster, join):
            return found
        raise Unavailable(
            "the join just submitted",
            where=cluster.rest,
            why="it ended at once; Flink's web page says why",
        )


def render(join: Join, restore: Path | None) -> str:
    """Fill in the SQL; the job resumes from the checkpoint, which then belongs to it."""
    values = {
        "bootstrap": join.bootstrap,
        "name": join.name,
        "checkpoints": f"file://{join.checkpoints.resolve()}",
    }
    values |= {topic: str(getattr(join, topic)) for topic in TOPICS}
    sql = re.sub(
        r"\$\{(\w+)\}",
        lambda found: _escape_quotes(values[found[1]]),
        SQL.read_text(encoding="utf-8"),
    )
    if restore is None:
        return sql
    path = _escape_quotes(str(restore.resolve()))
    return (
        f"SET 'execution.state-recovery.path' = 'file://{path}';\n"
        f"SET 'execution.state-recovery.claim-mode' = 'CLAIM';\n{sql}"
    )


def checkpoint_to_restore(checkpoints: Path, *, now: float) -> Path | None:
    """Return the newest complete checkpoint; without one the job reads topics from the start.

    When Flink dies, a checkpoint may be complete and its transaction not yet committed. After
    TRANSACTION_LIMIT_S the broker has aborted it: then the checkpoint before it is returned. Some
    rows are written twice, under the same event ids; none is lost.
    """
    complete = sorted(
        (file.stat().st_mtime, file.parent) for file in checkpoints.glob("*/chk-*/_metadata")
    )
    if not complete:
        return None
    newest_at, newest = complete[-1]
    is_too_old = now - newest_at > TRANSACTION_LIMIT_S
    return complete[-2][1] if is_too_old and len(complete) > 1 else newest


def is_running(cluster: Cluster, join: Join) -> bool:
    """Return whether every task of the job runs."""
    try:
        job = _job(cluster, join)
        if job is None:
            return False
        tasks = [vertex["status"] for vertex in _ask(cluster, f"/jobs/{job}")["vertices"]]
        return bool(tasks) and all(status == "RUNNING" for status in tasks)
    except Unavailable:
        return False


def keep(cluster: Cluster, join: Join) -> None:
    """Submit the job whenever the cluster answers and does not have it; never returns."""
    logged = ""
    while True:
        try:
            submit(cluster, join)
            logged = ""
        except FreshetError as error:
            if str(error) != logged:  # once, not every two seconds while the cluster is down
                log.warning("the join is not running", extra={"why": str(error)})
            logged = str(error)
        time.sleep(LOOK_EVERY_S)


def main() -> None:
    """Read the command line and keep the job running."""
    keep_private()
    parser = argparse.ArgumentParser(
        prog="python -m deploy.stack.join", description="Keep the Flink join running."
    )
    parser.add_argument("--folder", type=Path, required=True, help="the Flink cluster's folder")
    parser.add_argument(
        "--rest-port",
        type=int,
        default=REST_PORT,
        help="where the cluster's REST interface listens on 127.0.0.1",
    )
    parser.add_argument("--parts", type=Path, default=PARTS, help="the folder of Flink's own files")
    parser.add_argument("--bootstrap", required=True, help="Kafka's address")
    parser.add_argument(
        "--checkpoints", type=Path, required=True, help="the folder of the job's checkpoints"
    )
    for topic in TOPICS:
        parser.add_argument(f"--{topic}", default=topic, help="a topic's name")
    given = parser.parse_args()
    set_up_logs()
    cluster = Cluster(folder=given.folder, rest_port=given.rest_port, parts=given.parts)
    topics = {topic: str(getattr(given, topic)) for topic in TOPICS}
    keep(cluster, Join(bootstrap=given.bootstrap, checkpoints=given.checkpoints, **topics))


def _job(cluster: Cluster, join: Join) -> str | None:
    """Return the id of the join's job that has not ended; None if there is none."""
    jobs = _ask(cluster, "/jobs/overview")["jobs"]
    return next(
        (str(job["jid"]) for job in jobs if job["name"] == join.name and job["state"] not in ENDED),
        None,
    )


def _ask(cluster: Cluster, path: str) -> dict[str, list[dict[str, object]]]:
    """Return the cluster's answer; on these pages it is an object of lists of objects."""
    try:
        answer = httpx.get(f"{cluster.rest}{path}", timeout=ASK_LIMIT_S, trust_env=False)
        answer.raise_for_status()
        found: dict[str, list[dict[str, object]]] = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise Unavailable(
            "Flink", where=cluster.rest, why=str(error) or type(error).__name__
        ) from error
    return found


def _escape_quotes(text: str) -> str:
    """Escape what goes between single quotes in SQL."""
    return text.replace("'", "''")


if __name__ == "__main__":
    main()
