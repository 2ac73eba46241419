"""URLs of machines that are rented for trainings."""

from __future__ import annotations

from pathlib import Path

import pytest

from cron.urls.launcher_table import parse_machines_table
from cron.urls.machines import KubeRayGroup, MachineProgram, RayMachines, parse_machines
from cron.urls.wrong_url import WrongUrl
from recommender.requests.wire import BadRequest


def test_a_program_gets_machines_for_a_quarter_of_an_hour() -> None:
    parsed = parse_machines("command:/etc/freshet/machines?machines=2")
    assert parsed.provider == MachineProgram(path=Path("/etc/freshet/machines"))
    assert (parsed.least, parsed.most, parsed.wait_s, parsed.devices) == (2, 2, 900.0, 1)


def test_a_ray_cluster_may_be_content_with_fewer() -> None:
    parsed = parse_machines("ray://head:10001?machines=1:4&gpus=2&wait=60&devices=2")
    assert parsed.provider == RayMachines(head="head:10001", gpus=2)
    assert (parsed.least, parsed.most, parsed.wait_s, parsed.devices) == (1, 4, 60.0, 2)


def test_a_group_of_kuberay_is_asked_as_a_pod_asks() -> None:
    group = parse_machines("kuberay:freshet/training/spot-gpu?machines=2").provider
    assert isinstance(group, KubeRayGroup)
    assert (group.namespace, group.cluster, group.group) == ("freshet", "training", "spot-gpu")
    assert group.api == "https://kubernetes.default.svc"
    assert str(group.token) == "/var/run/secrets/kubernetes.io/serviceaccount/token"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("slurm:?machines=2", "the scheme is"),
        ("command:machines?machines=2", "an absolute path"),
        ("command:/machines", "machines= is missing"),
        ("command:/machines?machines=0", "1 or more"),
        ("command:/machines?machines=3:2", "larger number first"),
        ("command:/machines?machines=2&gpus=1", "gpus= is not an option"),
        ("ray:?machines=2", "HOST:PORT"),
        ("ray://head:10001/x?machines=2", "HOST:PORT"),
        ("kuberay:training/gpu?machines=2", "NAMESPACE/CLUSTER/GROUP"),
        ("kuberay:freshet/../gpu?machines=2", "NAMESPACE/CLUSTER/GROUP"),
        ("kuberay:a/b/c?machines=2&api=http://10.0.0.1", "because the token is sent there"),
        ("kuberay:a/b/c?machines=2&token=token", "absolute path"),
    ],
)
def test_a_wrong_url_says_why(url: str, reason: str) -> None:
    with pytest.raises(WrongUrl, match=reason):
        parse_machines(url)


def test_a_wrong_row_of_the_table_is_named() -> None:
    with pytest.raises(BadRequest, match=r"worker\.machines\.fully"):
        parse_machines_table({"fully": "command:/machines?machines=2"})
