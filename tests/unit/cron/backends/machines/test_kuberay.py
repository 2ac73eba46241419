"""KubeRay by Kubernetes' API: what is asked, and what its refusals become."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cron.errors import Unavailable
from cron.machine_errors import MachinesRefused
from cron.machine_provider import MachineProvider
from cron.wiring import open_machines
from tests.kubernetes_api import CLUSTER, KubernetesApi, kubernetes_api


@pytest.fixture
def api(tmp_path: Path) -> Iterator[KubernetesApi]:
    with kubernetes_api(tmp_path) as api:
        yield api


@pytest.fixture
def group(api: KubernetesApi) -> MachineProvider:
    return open_machines(api.url)


def test_only_its_own_group_is_scaled(api: KubernetesApi, group: MachineProvider) -> None:
    """Ray's autoscaler keeps machines that are the least number of a group."""
    group.start(2)
    assert api.group() == {
        "groupName": "spot-gpu",
        "replicas": 2,
        "minReplicas": 2,
        "maxReplicas": 4,
    }
    assert api.group("cpu")["replicas"] == 0
    group.stop()
    assert (api.group()["replicas"], api.group()["minReplicas"]) == (0, 0)


def test_without_an_autoscaler_the_least_number_stays(
    api: KubernetesApi, group: MachineProvider
) -> None:
    del api.cluster["spec"]["enableInTreeAutoscaling"]
    del api.group()["minReplicas"]
    group.start(2)
    assert "minReplicas" not in api.group()


def test_pods_count_once_they_are_ready(api: KubernetesApi, group: MachineProvider) -> None:
    group.start(3)
    api.num_not_ready = 1
    assert group.num_joined() == 2


def test_more_than_the_group_may_have_are_refused(group: MachineProvider) -> None:
    with pytest.raises(MachinesRefused, match="maxReplicas of the group is 4, less than 5"):
        group.start(5)


def test_an_unknown_group_is_named_with_the_others(api: KubernetesApi) -> None:
    other = open_machines(api.url.replace("/spot-gpu", "/gpus"))
    with pytest.raises(MachinesRefused, match="no such group; its groups: cpu, spot-gpu"):
        other.start(1)


def test_what_kubernetes_says_is_quoted(api: KubernetesApi, group: MachineProvider) -> None:
    api.troubles = [403]
    with pytest.raises(MachinesRefused, match=f"GET {CLUSTER} was answered 403: trouble"):
        group.start(1)


def test_a_conflict_and_an_outage_are_tried_again(
    api: KubernetesApi, group: MachineProvider
) -> None:
    api.troubles = [503, 409]
    group.start(1)
    assert api.group()["replicas"] == 1
    api.troubles = [503] * 3
    with pytest.raises(Unavailable, match="status 503"):
        group.num_joined()


def test_a_renewed_token_is_used(api: KubernetesApi, group: MachineProvider) -> None:
    group.start(1)
    api.token.write_text("renewed\n", encoding="utf-8")
    assert group.num_joined() == 1


def test_a_server_of_another_authority_gets_no_token(
    api: KubernetesApi, group: MachineProvider, tmp_path: Path
) -> None:
    with kubernetes_api(tmp_path / "other") as other, pytest.raises(Unavailable):
        open_machines(api.url.replace(api.root, other.root)).num_joined()
    assert other.requests == []


def test_a_missing_token_is_named(api: KubernetesApi, group: MachineProvider) -> None:
    api.token.unlink()
    with pytest.raises(MachinesRefused, match="token: No such file"):
        group.stop()
