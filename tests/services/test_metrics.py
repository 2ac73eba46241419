"""Metrics as operators see them: a real Prometheus, and data for every panel and alarm.

.venv/bin/python -m pytest tests/services/test_metrics.py
"""

from __future__ import annotations

import json
import math
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from cron.project_root import PROJECT_ROOT
from deploy.servers.program import find_executable
from deploy.servers.prometheus import ALERTS, CONFIG, REMEDY, configuration
from tests.servers import ServerProcess, Servers
from tests.system.machine import QUICK, Machine, until, write_slice

DEPLOY = PROJECT_ROOT / "deploy"
OPERATIONS = PROJECT_ROOT / "docs" / "operations.md"
DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboards" / "freshet.json").read_text())
RULES = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
PANELS = {
    f"{panel['title']} {target['refId']}": target["expr"]
    for panel in DASHBOARD["panels"]
    for target in panel.get("targets", [])
}
LIMIT_S = 240.0
# exported only while a candidate is on trial: tests/component/test_trial_reports.py holds them
OF_A_TRIAL = {
    "freshet_canary_difference",
    "freshet_shadow_overlap",
    "freshet_shadow_latency_ratio",
}


class ScrapedMachine:
    """A machine and the Prometheus that scrapes it."""

    def __init__(self, machine: Machine, prometheus: ServerProcess) -> None:
        self.machine = machine
        self.began = time.time()
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{prometheus.port}/api/v1", timeout=60, trust_env=False
        )

    def ask(self, path: str, **parameters: str | float) -> object:
        """Return the data of one call to Prometheus."""
        answer = self.client.get(path, params=parameters).json()
        assert answer["status"] == "success", answer
        return answer["data"]

    def has_data(self, query: str) -> bool:
        """Return whether a query in Grafana's form gave a number at any time since the start."""
        for name, value in (("$__rate_interval", "8s"), ("$__interval", "2s")):
            query = query.replace(name, value)
        data = self.ask("query_range", query=query, start=self.began, end=time.time(), step=2)
        assert isinstance(data, dict)
        return any(
            math.isfinite(float(value))
            for series in data["result"]
            for _, value in series["values"]
        )

    def names(self) -> set[str]:
        """Return the names of all metrics that were scraped."""
        names = self.ask("label/__name__/values")
        assert isinstance(names, list)
        return set(names)

    def page(self, job: str) -> str:
        """Return the page of a job as it is now."""
        ports = self.machine.ports
        port = {
            "gateway": ports.gateway,
            "worker": ports.worker,
            "TorchServe": ports.management + 1,
        }[job]
        return httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=60, trust_env=False).text

    def call(self) -> None:
        """Call like clients do: known and unknown users, a rating, and an unmatched filter."""
        with httpx.Client(timeout=60, trust_env=False) as client:
            for user_id in ("1", "2", "nobody"):
                assert (
                    client.get(f"{self.machine.gateway}/v1/recommendations/{user_id}").status_code
                    == 200
                )
            body = {"user_seq": ["Toy Story (1995)"], "item_desc": "GoldenEye (1995)"}
            assert client.post(f"{self.machine.gateway}/predict", json=body).status_code == 200
            nothing = {"user_seq": [], "k": 3, "filter": {"genre": "no such genre"}}
            answer = client.post(
                f"http://127.0.0.1:{self.machine.ports.inference}/predictions/rec", json=nothing
            )
            assert answer.json()["items"] == []


@pytest.fixture(scope="module")
def watched_machine(
    tmp_path_factory: pytest.TempPathFactory, servers: Servers, movielens_100k: Path
) -> Iterator[ScrapedMachine]:
    """Return a machine after a training, an update and a rollback, scraped from the start."""
    folder = tmp_path_factory.mktemp("watched")
    machine = Machine(folder, settings=QUICK)
    ports = {
        "freshet-gateway": machine.ports.gateway,
        "freshet-worker": machine.ports.worker,
        "torchserve": machine.ports.management + 1,
    }
    watched_machine = ScrapedMachine(
        machine, servers.prometheus({job: [f"127.0.0.1:{port}"] for job, port in ports.items()})
    )
    try:
        machine.start(write_slice(movielens_100k, folder / "films", num_events=12_000))
        replayed = machine.command("make", "replay", "SPEED=2000", timeout_s=LIMIT_S)
        assert replayed.returncode == 0, replayed.stderr
        until(
            lambda: (machine.live() or 0) >= 2,
            "a release that learned from the new events",
            limit_s=LIMIT_S,
        )
        for verb in ("rollback", "resume"):
            assert machine.cron(verb).returncode == 0
        yield watched_machine
    finally:
        watched_machine.client.close()
        machine.stop()


def test_every_panel_of_the_dashboard_has_data(watched_machine: ScrapedMachine) -> None:
    missing = dict(PANELS)

    def all_have() -> bool:
        watched_machine.call()
        for title in [title for title, query in missing.items() if watched_machine.has_data(query)]:
            del missing[title]
        return not missing

    deadline = time.monotonic() + LIMIT_S
    while not all_have() and time.monotonic() < deadline:
        time.sleep(1)  # the next scrape
    assert not missing


def test_the_dashboard_marks_releases(watched_machine: ScrapedMachine) -> None:
    (annotation,) = DASHBOARD["annotations"]["list"]
    until(
        lambda: watched_machine.has_data(annotation["expr"]),
        "a minute to compare with",
        limit_s=LIMIT_S,
    )


def test_every_metric_that_an_alarm_speaks_of_exists(watched_machine: ScrapedMachine) -> None:
    watched_machine.call()
    spoken_of = {
        name
        for rule in RULES
        for name in re.findall(r"\b(?:freshet_\w+|up)\b(?=[{[)\s])", rule["expr"])
    }
    assert len(spoken_of) > 20
    until(
        lambda: spoken_of <= watched_machine.names(),
        f"metrics {spoken_of - watched_machine.names()}",
        limit_s=LIMIT_S,
    )


def test_no_alarm_fires_on_a_healthy_machine(watched_machine: ScrapedMachine) -> None:
    def firing() -> list[object]:
        data = watched_machine.ask("alerts")
        assert isinstance(data, dict)
        return [
            alert["labels"]["alertname"] for alert in data["alerts"] if alert["state"] == "firing"
        ]

    until(lambda: not firing(), "the alarms of the start to end", limit_s=LIMIT_S)


def test_the_reference_lists_what_is_exported_and_nothing_else(
    watched_machine: ScrapedMachine,
) -> None:
    watched_machine.call()
    exported: dict[str, tuple[str, tuple[str, ...], str]] = {}

    def all_there() -> bool:
        exported.clear()
        pages = {
            job: _metrics(watched_machine.page(job)) for job in ("gateway", "worker", "TorchServe")
        }
        for job, metrics in pages.items():
            exported.update({name: (*what, job) for name, what in metrics.items()})
        shared = pages["gateway"].keys() & pages["worker"].keys()
        exported.update({name: (*pages["gateway"][name], "ledger") for name in shared})
        return listed.keys() - OF_A_TRIAL <= exported.keys()

    rows = re.findall(
        r"^\| `(freshet_\w+)` \| (\w+) \| ([^|]*)\| (\w+) \|", OPERATIONS.read_text(), re.MULTILINE
    )
    listed = {
        name: (kind, tuple(sorted(re.findall(r"`(\w+)`", labels))), job)
        for name, kind, labels, job in rows
    }
    until(all_there, "every process to have published its metrics", limit_s=LIMIT_S)
    assert listed == exported | {name: listed[name] for name in OF_A_TRIAL}


def _metrics(page: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return our metrics on a page that have samples: kind and labels by name."""
    found = {}
    for name, kind in re.findall(r"^# TYPE (freshet_\w+) (\w+)$", page, re.MULTILINE):
        sample = re.search(rf"^{name}(?:_bucket)?(?:{{(.*)}})? \S+$", page, re.MULTILINE)
        if sample:
            found[name] = (
                kind,
                tuple(sorted(set(re.findall(r'(\w+)="', sample[1] or "")) - {"le"})),
            )
    return found


def test_alarms_fire_when_they_should() -> None:
    assert "SUCCESS" in _promtool("test", "rules", "alerts_test.yml")
    tested = yaml.safe_load((DEPLOY / "alerts_test.yml").read_text())["tests"]
    fires = {
        one["alertname"] for test in tested for one in test["alert_rule_test"] if one["exp_alerts"]
    }
    assert fires == {rule["alert"] for rule in RULES}


def test_every_alarm_has_its_row_in_the_runbook() -> None:
    rows = set(re.findall(r"^\| `(Freshet\w+)` \|", OPERATIONS.read_text(), re.MULTILINE))
    assert rows == {rule["alert"] for rule in RULES}
    assert {rule["annotations"]["runbook"] for rule in RULES} == {
        "docs/operations.md#what-to-watch"
    }
    assert "\n## What to watch\n" in OPERATIONS.read_text()


def test_prometheus_accepts_both_configurations(
    tmp_path: Path,
) -> None:
    _promtool("check", "config", str(CONFIG))
    written = tmp_path / "prometheus.yml"
    (tmp_path / "gateway.key").write_text("a key")
    written.write_text(
        configuration({"torchserve": ["a:8082", "b:8082"]}, scrape_s=5, has_key=True)
    )
    _promtool("check", "config", str(written))
    assert "a key" not in written.read_text()
    with pytest.raises(KeyError):
        configuration({"no-such-job": []}, scrape_s=5, has_key=False)


def test_grafana_finds_the_data_source_that_the_panels_name() -> None:
    (source,) = yaml.safe_load(
        (DEPLOY / "grafana/provisioning/datasources/prometheus.yml").read_text()
    )["datasources"]
    named = [panel["datasource"]["uid"] for panel in DASHBOARD["panels"] if panel["type"] != "row"]
    assert set(named) == {source["uid"]}
    assert len(named) == len(
        {json.dumps(panel["gridPos"]) for panel in DASHBOARD["panels"] if panel["type"] != "row"}
    )


def _promtool(*words: str) -> str:
    done = subprocess.run(
        [find_executable("promtool", remedy=REMEDY), *words],
        cwd=DEPLOY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
