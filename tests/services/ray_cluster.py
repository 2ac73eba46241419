"""A Ray cluster on this machine: a head, and machines that come and go."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

from cron.project_root import PROJECT_ROOT
from deploy.servers.program import listens
from tests.lost_machines import kill_all
from tests.ports import free_port

START_LIMIT_S = 180.0
_RAY = str(Path(sys.executable).with_name("ray"))
_HEAD_ID = "f" * 51 + "00000"  # as Ray's provider of pretended machines knows it
_QUIET = ("--disable-usage-stats", "--block")


class RayCluster:
    """The head and at most one other machine, as `ray start` makes them, of one CPU each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port, self.client_port = free_port(), free_port()
        self._head = self._start_head()
        self._machine: psutil.Process | None = None

    @property
    def url(self) -> str:
        return f"ray://127.0.0.1:{self.client_port}"

    @property
    def elastic_url(self) -> str:
        """The launcher of trainings that have a rank on each machine that is there."""
        return f"{self.url}?workers=1:2"

    def add_machine(self) -> None:
        self._machine = self._start(f"--address=127.0.0.1:{self._port}")

    def lose_machine(self) -> None:
        """Kill everything on the machine that is not the head; `ray stop` would take a minute."""
        assert self._machine is not None
        kill_all(self._machine)
        self._machine = None

    def ranks(self) -> list[psutil.Process]:
        """Return the processes that train; others of Ray's may end at any time."""
        started = [self._head, *((self._machine,) if self._machine is not None else ())]
        below = {one.pid for process in started for one in process.children(recursive=True)}
        return [
            one
            for one in psutil.process_iter(["cmdline"])
            if one.pid in below and "RayTrainWorker" in " ".join(one.info["cmdline"] or [])
        ]

    def lose_all(self) -> None:
        for process in (self._machine, self._head):
            if process is not None:
                kill_all(process)
        self._machine = None

    def start_head_again(self) -> None:
        """Start a head at the same ports, which knows nothing of the one before."""
        self._head = self._start_head()

    def _start_head(self) -> psutil.Process:
        """Start a head; return when other machines can join it, and trainings reach it."""
        head = self._start(
            "--head",
            f"--port={self._port}",
            f"--ray-client-server-port={self.client_port}",
            "--include-dashboard=false",
            f"--temp-dir={self._folder}",
        )
        deadline = time.monotonic() + START_LIMIT_S
        while not (listens(self._port) and listens(self.client_port)):
            assert head.is_running(), "the head ended"
            assert time.monotonic() < deadline, "the head did not start in time"
            time.sleep(0.1)
        return head

    def _start(self, *arguments: str) -> psutil.Process:
        environment = {**os.environ, "RAY_AUTH_MODE": "disabled", "PYTHONPATH": str(PROJECT_ROOT)}
        with (self._folder / "start.log").open("ab") as log:
            return psutil.Popen(
                [_RAY, "start", "--num-cpus=1", *_QUIET, *arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )


class AutoscaledCluster:
    """A head whose autoscaler starts processes as machines of one CPU each, at most two."""

    def __init__(self, folder: Path) -> None:
        self._port, self.client_port = free_port(), free_port()
        config = folder / "autoscaler.json"
        config.write_text(json.dumps(_scaling(f"127.0.0.1:{self._port}")))
        environment = {
            **os.environ,
            "RAY_AUTH_MODE": "disabled",
            "RAY_FAKE_CLUSTER": "1",
            "RAY_OVERRIDE_NODE_ID_FOR_TESTING": _HEAD_ID,
            "AUTOSCALER_UPDATE_INTERVAL_S": "1",
        }
        arguments = (
            "--head",
            "--num-cpus=0",
            "--node-ip-address=127.0.0.1",
            f"--port={self._port}",
            f"--ray-client-server-port={self.client_port}",
            "--include-dashboard=false",
            f"--temp-dir={folder}",
            f"--autoscaling-config={config}",
        )
        with (folder / "start.log").open("ab") as log:
            self._head = psutil.Popen(
                [_RAY, "start", *_QUIET, *arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.client_port}"

    def end(self) -> None:
        kill_all(self._head)


def _scaling(gcs_address: str) -> dict[str, object]:
    """Return the configuration of an autoscaler whose machines are processes."""
    empty: dict[str, object] = {name: {} for name in ("auth", "docker", "file_mounts")}
    lists = (
        "cluster_synced_files",
        "rsync_exclude",
        "rsync_filter",
        "initialization_commands",
        "setup_commands",
        "head_setup_commands",
        "worker_setup_commands",
        "head_start_ray_commands",
        "worker_start_ray_commands",
    )
    machine = {"resources": {"CPU": 1}, "node_config": {}, "min_workers": 0, "max_workers": 2}
    head = {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0}
    return {
        **empty,
        **{name: [] for name in lists},
        "cluster_name": "test",
        "max_workers": 2,
        "upscaling_speed": 1.0,
        "idle_timeout_minutes": 0.05,
        "provider": {
            "type": "fake_multinode",
            "gcs_address": gcs_address,
            "use_node_id_as_ip": True,
            "disable_node_updaters": True,
            "disable_launch_config_check": True,
        },
        "available_node_types": {"ray.head.default": head, "machine": machine},
        "head_node_type": "ray.head.default",
        "file_mounts_sync_continuously": False,
    }
