"""deploy/k8s is valid, unprivileged, and has the settings of deploy/cluster.toml.

No cluster is needed: the overlays use only resources and JSON patches, which are read here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from cron.backends.artifacts.s3.client import archives_url
from cron.project_root import PROJECT_ROOT
from cron.settings.file import load_settings
from cron.settings.tree import Settings
from cron.urls.launchers import parse_ray
from cron.urls.machines import KubeRayGroup, parse_machines
from cron.urls.management_socket import management_socket
from cron.urls.torchserve import parse as parse_nodes

K8S = PROJECT_ROOT / "deploy" / "k8s"
OVERLAYS = ("one-node", "cluster", "rented")
OURS = "app.kubernetes.io/component"
VERSION = "1.34"
SECRETS = "freshet-secrets"
# what an overlay may say otherwise than deploy/cluster.toml
DIFFERENT = {
    "store": {"events", "histories", "artifacts", "ledger", "server", "var", "launcher"},
    "release": {"require_signatures"},
    "worker": {"metrics_host", "launchers", "machines"},
    "gateway": {"host", "api_key"},
}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_each_resource_is_valid_by_the_schemas_of_the_api(overlay: str) -> None:
    for resource in _resources(K8S / overlay):
        if resource["apiVersion"].startswith("ray.io/"):
            resources = [{"apiVersion": "v1", "kind": "Pod", **pod} for pod in _pods(resource)]
        else:
            resources = [resource]
        for one in resources:
            one.setdefault("metadata", {}).setdefault("name", "pod")
            kubernetes_validate.validate(one, VERSION, strict=True)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_settings_are_those_of_the_cluster_file(overlay: str) -> None:
    settings, cluster = _settings(overlay), load_settings(_cluster_file(), {}).settings
    for branch in dataclasses.fields(Settings):
        ours, theirs = getattr(settings, branch.name), getattr(cluster, branch.name)
        if not dataclasses.is_dataclass(ours):
            assert ours == theirs
            continue
        for field in dataclasses.fields(ours):
            if field.name not in DIFFERENT.get(branch.name, ()):
                assert getattr(ours, field.name) == getattr(theirs, field.name), field.name


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_container_has_a_privilege(overlay: str) -> None:
    for resource in _resources(K8S / overlay):
        for pod in _pods(resource):
            assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
            assert pod["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
            for container in _containers(pod):
                context = container["securityContext"]
                assert context["allowPrivilegeEscalation"] is False
                assert context["capabilities"] == {"drop": ["ALL"]}
                is_ours = not resource["apiVersion"].startswith("ray.io/")
                assert context.get("readOnlyRootFilesystem", False) is is_ours


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_secrets_are_named_and_the_model_server_has_none(overlay: str) -> None:
    for name, pod in _sets(overlay).items():
        for container in _containers(pod):
            sources = [next(iter(one.values()))["name"] for one in container.get("envFrom", ())]
            expected = [] if name == "torchserve" else ["freshet-settings", SECRETS]
            assert sources == expected, f"{name}: {container['name']}"
    (config,) = (one for one in _resources(K8S / overlay) if one["kind"] == "ConfigMap")
    assert not [name for name in config["data"] if "KEY" in name or "PASSWORD" in name]


def test_machines_of_trainings_have_the_keys_of_the_bucket_alone() -> None:
    (cluster,) = (one for one in _resources(K8S / "cluster") if one["kind"] == "RayCluster")
    for pod in _pods(cluster):
        (container,) = _containers(pod)
        assert "envFrom" not in container
        assert {
            one["name"]: one["valueFrom"]["secretKeyRef"]["key"] for one in container["env"]
        } == {name: name for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    assert cluster["spec"]["rayVersion"] == version("ray")
    launcher = parse_ray(_settings("cluster").store.launcher)
    assert launcher.head == f"{cluster['metadata']['name']}-head-svc:10001"
    assert launcher.most == cluster["spec"]["workerGroupSpecs"][0]["maxReplicas"]


def test_the_worker_that_rents_machines_may_do_no_more() -> None:
    resources = {(one["kind"], one["metadata"]["name"]): one for one in _resources(K8S / "rented")}
    worker = _settings("rented").worker
    assert parse_ray(worker.launchers["full"]).head == "training-head-svc:10001"
    rented = parse_machines(worker.machines["full"])
    group = rented.provider
    assert isinstance(group, KubeRayGroup)
    cluster = resources["RayCluster", group.cluster]
    (spec,) = (
        one for one in cluster["spec"]["workerGroupSpecs"] if one["groupName"] == group.group
    )
    assert rented.most <= spec["maxReplicas"]
    role, binding = resources["Role", "trainings"], resources["RoleBinding", "trainings"]
    assert [(one["resources"], one["verbs"]) for one in role["rules"]] == [
        (["rayclusters"], ["get", "patch"]),
        (["pods"], ["list"]),
    ]
    assert role["rules"][0]["resourceNames"] == [group.cluster]
    (account,) = binding["subjects"]
    assert (account["name"], account["namespace"]) == ("trainings", group.namespace)
    for name, pod in _sets("rented").items():
        has_token = name == "worker"
        assert pod["spec"]["automountServiceAccountToken"] is has_token
        assert pod["spec"].get("serviceAccountName") == ("trainings" if has_token else None)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_programs_are_watched_and_their_ports_are_reached(overlay: str) -> None:
    resources = list(_resources(K8S / overlay))
    policies = [one["spec"] for one in resources if one["kind"] == "NetworkPolicy"]
    for name, pod in _sets(overlay).items():
        (container,) = pod["spec"]["containers"]
        assert {"startupProbe", "livenessProbe"} <= set(container), name
        own = {port["name"] for port in container["ports"]}
        assert container["livenessProbe"]["httpGet"]["port"] in own
        (service,) = (
            one["spec"]
            for one in resources
            if one["kind"] == "Service" and one["spec"]["selector"][OURS] == name
        )
        assert {port["targetPort"] for port in service["ports"]} == own
        allowed = {
            port["port"]
            for policy in policies
            if policy["podSelector"].get("matchLabels", {}).get(OURS) == name
            for rule in policy["ingress"]
            for port in rule["ports"]
        }
        assert allowed == own
    guarded = {
        one["spec"]["selector"]["matchLabels"][OURS]
        for one in resources
        if one["kind"] == "PodDisruptionBudget"
    }
    assert guarded == {"gateway", "torchserve"}  # the one worker may always be moved


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_worker_reaches_every_node_of_the_model_server(overlay: str) -> None:
    settings, sets = _settings(overlay), _sets(overlay)
    (torchserve,) = (
        one
        for one in _resources(K8S / overlay)
        if one["kind"] == "StatefulSet" and one["metadata"]["name"] == "torchserve"
    )
    nodes = parse_nodes(settings.store.server)
    hosts = [f"torchserve-{number}.torchserve" for number in range(torchserve["spec"]["replicas"])]
    assert [node.host for node in nodes] == hosts
    args = sets["torchserve"]["spec"]["containers"][0]["args"]
    assert f"--archives={archives_url(settings.store.artifacts)}" in args
    for name in ("worker", "gateway") if "--remote" in args else ("worker",):
        (mount,) = (
            one
            for one in sets[name]["spec"]["containers"][0]["volumeMounts"]
            if one["name"] == "torchserve"
        )
        assert mount["readOnly"] is True
        for number, node in enumerate(nodes):
            folder = Path(mount["mountPath"])
            if "--remote" in args:
                assert node.keys == folder / f"torchserve-{number}" / "key_file.json"
            else:
                assert node.socket == management_socket(folder, 8081)


def _settings(overlay: str) -> Settings:
    """Return the settings of the programs, with a key for the gateway as the secret has."""
    (config,) = (one for one in _resources(K8S / overlay) if one["kind"] == "ConfigMap")
    given = {**config["data"], "FRESHET__GATEWAY__API_KEY": "k"}
    file = PROJECT_ROOT / given["FRESHET_CONFIG"]
    assert file == _cluster_file()
    return load_settings(file, given).settings


def _cluster_file() -> Path:
    return PROJECT_ROOT / "deploy" / "cluster.toml"


def _sets(overlay: str) -> Mapping[str, dict[str, Any]]:
    """Return the pods of our programs by their names."""
    return {
        resource["metadata"]["name"]: resource["spec"]["template"]
        for resource in _resources(K8S / overlay)
        if resource["kind"] == "StatefulSet"
    }


def _containers(pod: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]


def _pods(resource: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the templates of pods of a resource."""
    spec = resource.get("spec", {})
    groups = [spec.get("headGroupSpec", {}), *spec.get("workerGroupSpecs", ()), spec]
    yield from (group["template"] for group in groups if "template" in group)


def _resources(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the resources of a kustomization with its patches."""
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    known = {"apiVersion", "kind", "namespace", "resources", "patches"}
    assert set(kustomization) <= known, "this test reads only these fields"
    patches = {
        (patch["target"]["kind"], patch["target"]["name"]): yaml.safe_load(patch["patch"])
        for patch in kustomization.get("patches", ())
    }
    for resource in chain.from_iterable(_read(folder / one) for one in kustomization["resources"]):
        _apply(patches.get((resource["kind"], resource["metadata"]["name"]), []), resource)
        yield resource


def _read(path: Path) -> Iterator[dict[str, Any]]:
    if path.is_dir():
        yield from _resources(path)
    else:
        yield from yaml.safe_load_all(path.read_text())


def _apply(patch: list[dict[str, Any]], resource: dict[str, Any]) -> None:
    """Apply a JSON patch (RFC 6902) of the operations `add` and `replace`."""
    for step in patch:
        *parents, last = step["path"].strip("/").split("/")
        at: Any = resource
        for name in parents:
            at = at[int(name)] if isinstance(at, list) else at[name]
        if isinstance(at, list):
            assert (step["op"], last) == ("add", "-")
            at.append(step["value"])
        else:
            assert step["op"] == "add" or last in at, f"{step['path']}: there is nothing to replace"
            at[last] = step["value"]
