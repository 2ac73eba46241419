"""The whole story of `make stack`: clicks become a release on two nodes, and back.

One stack serves all tests, which go on where the one before ended. About 9 GB of memory.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import psutil
import pytest

from cron.project_root import PROJECT_ROOT
from deploy.supervision.configuration import Place
from deploy.supervision.supervisor import Supervisor
from tests.ports import free_ports
from tests.system.machine import QUICK, until, write_slice

GENRE = "Horror"
VISITOR = "visitor-1-0"
LIMIT_S = 480.0  # of what takes half a minute on an idle machine


class RunningStack:
    """`make stack` with its own ports and folder; commands use its settings and passwords."""

    def __init__(self, home: Path) -> None:
        self.home = home
        # TorchServe's metrics use the port above its management
        first, second, *others = free_ports(10, and_above=2)
        self.gateway_port, inference, other_inference, *stores = others
        self.nodes = [(first, inference), (second, other_inference)]
        managements, inferences = (
            ",".join(map(str, column)) for column in zip(*self.nodes, strict=True)
        )
        addresses = ",".join(f"127.0.0.1:{port}" for port in managements.split(","))
        plain = {
            name: value
            for name, value in os.environ.items()
            if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PYTHONPATH")
        }
        self.environment = {
            **plain,
            **QUICK,
            "FRESHET__WORKER__MIN_EVENTS": "100",  # sixty visitors click more
            "FRESHET__WORKER__AFTER_EVENTS": "100",
            "FRESHET_CONFIG": str(PROJECT_ROOT / "deploy" / "cluster.toml"),
            "FRESHET__STORE__EVENTS": f"kafka://127.0.0.1:{stores[0]}/events?items=items",
            "FRESHET__STORE__HISTORIES": f"redis://127.0.0.1:{stores[1]}/0?prefix=histories",
            "FRESHET__STORE__ARTIFACTS": (
                f"s3://freshet/archives?endpoint=http://127.0.0.1:{stores[2]}"
                "&region=us-east-1&style=path"
            ),
            "FRESHET__STORE__LEDGER": f"postgresql://freshet@127.0.0.1:{stores[3]}/freshet",
            "FRESHET__STORE__SERVER": f"torchserve://{addresses}/rec?inference={inferences}",
            "FRESHET__STORE__VAR": str(home),
            "FRESHET__GATEWAY__PORT": str(self.gateway_port),
            "FRESHET__WORKER__METRICS_PORT": str(stores[4]),
        }
        self.supervisor = Supervisor(Place(root=PROJECT_ROOT, var=home))

    def run(self, *words: str, limit_s: float = LIMIT_S) -> str:
        """Run a command; return what it printed, and fail unless it ended well."""
        done = subprocess.run(
            words,
            cwd=PROJECT_ROOT,
            env=self.environment | self._secrets(),
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(words)}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def cron(self, *words: str) -> str:
        return self.run(sys.executable, "-m", "cron", *words)

    def live(self) -> int:
        return int(json.loads(self.cron("status", "--json"))["live"]["version"])

    def recommended_items(self, user_id: str) -> Mapping[str, object]:
        """Return the gateway's answer."""
        url = f"http://127.0.0.1:{self.gateway_port}/v1/recommendations/{user_id}?k=10"
        answer: dict[str, object] = (
            httpx.get(url, timeout=60, trust_env=False).raise_for_status().json()
        )
        return answer

    def defaults(self) -> list[int]:
        """Return each node's default version."""
        described = [
            httpx.get(
                f"http://127.0.0.1:{management}/models/rec", timeout=60, trust_env=False
            ).json()
            for management, _ in self.nodes
        ]
        return [int(one[0]["modelVersion"]) for one in described]

    def is_settled(self) -> bool:
        """Return whether both nodes and the gateway have the release that is live now."""
        live = self.live()
        answered = self.recommended_items(VISITOR)["model_version"]
        return self.defaults() == [live] * 2 and answered == live

    def process_ids(self) -> dict[str, int]:
        """Return the process of each program."""
        return {name: look.pid for name, look in self.supervisor.looks().items()}

    def _secrets(self) -> dict[str, str]:
        file = self.home / "secrets.env"
        lines = file.read_text().splitlines() if file.exists() else []
        pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
        return {name: value.strip("'\"") for name, value in pairs}


@pytest.fixture(scope="module")
def stack(movielens_100k: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    folder = tmp_path_factory.mktemp("stack")
    data = write_slice(movielens_100k, folder / "data", num_events=8_000)
    stack = RunningStack(folder / "home")
    try:
        printed = stack.run("make", "stack", f"DATA={data}", limit_s=900)
        assert "ready: release" in printed, printed
        yield stack
    finally:
        stack.run("make", "stack-down")


def test_everything_answers(stack: RunningStack) -> None:
    said = stack.cron("config", "--check")
    assert {line.split()[0] for line in said.splitlines() if " ok" in line} >= {
        "events",
        "histories",
        "artifacts",
        "ledger",
        "server",
    }
    until(stack.is_settled, "both nodes' defaults, and the gateway", limit_s=LIMIT_S)


def test_a_second_make_stack_starts_nothing_again(stack: RunningStack) -> None:
    live, running = stack.live(), stack.process_ids()
    assert f"ready: release {live} is live" in stack.run("make", "stack")
    assert stack.process_ids() == running
    assert set(stack.run("make", "stack-status").split()[1::2]) == {"running"}


def test_a_shops_clicks_become_a_release_on_both_nodes(stack: RunningStack) -> None:
    before, live = stack.recommended_items(VISITOR), stack.live()
    assert "messages sent" in stack.run(
        sys.executable, "-m", "deploy.stack.shop", "--genre", GENRE, "--visitors", "60"
    )
    until(lambda: stack.live() > live, "a release that learned from the clicks", limit_s=LIMIT_S)
    until(stack.is_settled, "both nodes' defaults, and the gateway", limit_s=LIMIT_S)
    after = stack.recommended_items(VISITOR)
    assert after["items"] != before["items"]
    assert "fallback" not in after


def test_rollback_needs_neither_kafka_nor_redis_nor_s3(stack: RunningStack) -> None:
    stack.supervisor.stop_programs(("kafka", "redis", "s3"), limit_s=60)
    said = stack.run("make", "rollback")
    found = re.search(r"version (\d+) is live, version (\d+) was", said)
    assert found is not None, said
    back, was = map(int, found.groups())
    assert back < was
    assert stack.live() == back
    until(lambda: stack.defaults() == [back] * 2, "both nodes' defaults", limit_s=LIMIT_S)
    for _, inference in stack.nodes:
        answer = httpx.post(
            f"http://127.0.0.1:{inference}/predictions/rec",
            json={"user_seq": [], "k": 1},
            timeout=60,
            trust_env=False,
        )
        assert answer.json()["model_version"] == back


def test_what_was_stopped_comes_back_and_the_stack_goes_on(stack: RunningStack) -> None:
    live = stack.live()
    assert "ready: release" in stack.run("make", "stack")
    until(stack.is_settled, "both nodes' defaults, and the gateway", limit_s=LIMIT_S)
    assert stack.live() == live
    assert "publishing continues" in stack.cron("resume")


def test_stack_down_leaves_no_process(stack: RunningStack) -> None:
    stack.run("make", "stack-down")
    left = [
        one.info
        for one in psutil.process_iter(["pid", "cmdline"])
        if any(str(stack.home) in word for word in one.info["cmdline"] or ())
    ]
    assert left == []
