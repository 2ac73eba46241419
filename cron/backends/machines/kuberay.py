"""MachineProvider for KubeRay: the replicas of a worker group of a RayCluster.

It asks Kubernetes' API with the service account's token, which is read for each request because it
is renewed. The account may `get` and `patch` this RayCluster and `list` the pods of its namespace.
The group belongs to the provider: between trainings it has no replicas.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any

import httpx

from cron.errors import Unavailable
from cron.machine_errors import MachinesRefused
from cron.urls.machines import KubeRayGroup
from trainer.machine.retries import RetryPolicy, call_with_retries

_TIMEOUT_S = 10.0
_MAY_PASS = frozenset({408, 409, 429, 500, 502, 503, 504})
_RETRIES = RetryPolicy(
    may_pass=lambda error: isinstance(error, Unavailable), max_tries=3, first_pause_s=0.2
)
_JSON_PATCH = "application/json-patch+json"
Json = Mapping[str, Any]


class KubeRayMachines:
    """A MachineProvider; one machine is one pod of the group."""

    def __init__(self, group: KubeRayGroup) -> None:
        self._group = group
        self._cluster = f"/apis/ray.io/v1/namespaces/{group.namespace}/rayclusters/{group.cluster}"
        self._where = f"{group.namespace}/{group.cluster}/{group.group} on {group.api}"

    def start(self, num_machines: int) -> None:
        """See the port."""
        self._scale(num_machines)

    def num_joined(self) -> int:
        """See the port."""
        labels = f"ray.io/cluster={self._group.cluster},ray.io/group={self._group.group}"
        pods = self._ask(
            "GET",
            f"/api/v1/namespaces/{self._group.namespace}/pods",
            params={"labelSelector": labels},
        )
        return sum(map(_is_ready, pods.get("items", ())))

    def stop(self) -> None:
        """See the port."""
        self._scale(0)

    def _scale(self, num_machines: int) -> None:
        """Set the replicas of the group, and their least number where Ray's autoscaler runs.

        The autoscaler would otherwise stop machines before the training uses them.
        """
        spec = self._ask("GET", self._cluster)["spec"]
        place, group = self._find(spec)
        most = group.get("maxReplicas")
        if most is not None and num_machines > most:
            why = f"maxReplicas of the group is {most}, less than {num_machines}"
            raise MachinesRefused(where=self._where, why=why)
        path = f"/spec/workerGroupSpecs/{place}"
        numbers = ["replicas", *(["minReplicas"] if spec.get("enableInTreeAutoscaling") else [])]
        # `test` fails if somebody has added or removed a group since
        same_group = {"op": "test", "path": f"{path}/groupName", "value": self._group.group}
        changes = [
            {"op": "add", "path": f"{path}/{name}", "value": num_machines} for name in numbers
        ]
        self._ask("PATCH", self._cluster, patch=[same_group, *changes])

    def _find(self, spec: Json) -> tuple[int, Json]:
        """Return the place of the group in the RayCluster, and the group."""
        groups = spec.get("workerGroupSpecs", ())
        for place, group in enumerate(groups):
            if group["groupName"] == self._group.group:
                return place, group
        names = ", ".join(group["groupName"] for group in groups) or "none"
        raise MachinesRefused(
            where=self._where, why=f"the RayCluster has no such group; its groups: {names}"
        )

    def _ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        patch: object = None,
    ) -> Json:
        return call_with_retries(_RETRIES, lambda: self._ask_once(method, path, params, patch))

    def _ask_once(
        self, method: str, path: str, params: Mapping[str, str] | None, patch: object
    ) -> Json:
        try:
            token = self._group.token.read_text(encoding="utf-8").strip()
            trusted = ssl.create_default_context(cafile=self._group.ca)
        except OSError as error:
            why = f"{error.filename or self._group.ca}: {error.strerror}"
            raise MachinesRefused(where=self._where, why=why) from error
        headers = {"Authorization": f"Bearer {token}"}
        if patch is not None:
            headers["Content-Type"] = _JSON_PATCH
        try:
            with httpx.Client(verify=trusted, trust_env=False, timeout=_TIMEOUT_S) as client:
                answer = client.request(
                    method, f"{self._group.api}{path}", params=params, headers=headers, json=patch
                )
        except httpx.HTTPError as error:
            raise Unavailable("Kubernetes", where=self._group.api, why=str(error)) from error
        if answer.status_code in _MAY_PASS:
            why = f"status {answer.status_code}"
            raise Unavailable("Kubernetes", where=self._group.api, why=why)
        if answer.status_code != 200:
            why = f"{method} {path} was answered {answer.status_code}: {_message(answer)}"
            raise MachinesRefused(where=self._where, why=why)
        body: Json = answer.json()
        return body


def _is_ready(pod: Json) -> bool:
    if "deletionTimestamp" in pod.get("metadata", {}):
        return False
    conditions = pod.get("status", {}).get("conditions", ())
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)


def _message(answer: httpx.Response) -> str:
    """Return the message of a Status of Kubernetes, or else the beginning of the answer."""
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:200]
