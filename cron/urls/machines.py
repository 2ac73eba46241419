"""Where machines are rented for a training: `command:`, `ray:` and `kuberay:` URLs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from cron.urls.options import known_options, number_range, whole_number
from cron.urls.wrong_url import WrongUrl

_EXPECTED = (
    "command:/PATH, ray://HOST:PORT or kuberay:NAMESPACE/CLUSTER/GROUP, with ?machines=N (or"
    " MIN:MAX, content with MIN after the wait), and &wait=SECONDS and &devices=N (of a machine)"
    " where needed"
)
_COMMON = ("machines", "wait", "devices")
_OWN = {"command": (), "ray": ("gpus",), "kuberay": ("api", "token", "ca")}
_WAIT_S = "900"  # a quarter of an hour, for clouds that are slow to give a machine with a GPU
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")  # of an object in Kubernetes
_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")  # of a pod
_API = "https://kubernetes.default.svc"


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineProgram:
    """A program of the operator, which is called with `start N`, `joined` and `stop`."""

    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class RayMachines:
    """Machines of a Ray cluster, which its autoscaler starts; `gpus` of each."""

    head: str
    gpus: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KubeRayGroup:
    """A worker group of a RayCluster in Kubernetes, and how to ask its API."""

    namespace: str
    cluster: str
    group: str
    api: str
    token: Path
    ca: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class MachinesUrl:
    """Where machines come from, how many are wanted, and how many suffice after `wait_s`."""

    provider: MachineProgram | RayMachines | KubeRayGroup
    least: int
    most: int
    wait_s: float
    devices: int  # of a machine, each of which costs the launcher's price


def parse_machines(url: str) -> MachinesUrl:
    """Parse a URL of machines; raise WrongUrl."""
    try:
        return _parse(urlsplit(url), url)
    except ValueError as error:
        raise WrongUrl(url, expected=_EXPECTED, reason=str(error)) from error


def _parse(parts: SplitResult, url: str) -> MachinesUrl:
    if parts.scheme not in _OWN:
        raise ValueError("the scheme is command, ray or kuberay")
    if "@" in parts.netloc:
        raise ValueError("a user or a password in a URL ends up in logs")
    options = known_options(url, (*_COMMON, *_OWN[parts.scheme]))
    if "machines" not in options:
        raise ValueError("machines= is missing")
    least, most = number_range("machines", options["machines"])
    return MachinesUrl(
        provider=_provider(parts, options),
        least=least,
        most=most,
        wait_s=float(whole_number("wait", options.get("wait", _WAIT_S))),
        devices=whole_number("devices", options.get("devices", "1")),
    )


def _provider(
    parts: SplitResult, options: Mapping[str, str]
) -> MachineProgram | RayMachines | KubeRayGroup:
    path = unquote(parts.path)
    if parts.scheme == "command":
        return MachineProgram(path=_absolute("the program", path))
    if parts.scheme == "ray":
        if not parts.hostname or parts.port is None or path:
            raise ValueError("the head of the cluster is HOST:PORT")
        return RayMachines(
            head=parts.netloc, gpus=whole_number("gpus", options.get("gpus", "0"), least=0)
        )
    names = path.split("/")
    if len(names) != 3 or not all(map(_NAME.fullmatch, names)):
        raise ValueError("a worker group is NAMESPACE/CLUSTER/GROUP")
    return KubeRayGroup(
        namespace=names[0],
        cluster=names[1],
        group=names[2],
        api=_api(options.get("api", _API)),
        token=_absolute("token=", options.get("token", str(_ACCOUNT / "token"))),
        ca=_absolute("ca=", options.get("ca", str(_ACCOUNT / "ca.crt"))),
    )


def _api(text: str) -> str:
    parts = urlsplit(text)
    _ = parts.port  # raises ValueError for a port that is not valid
    if parts.scheme != "https" or not parts.hostname or "@" in parts.netloc or parts.query:
        raise ValueError("api= is https://HOST:PORT, because the token is sent there")
    return text.rstrip("/")


def _absolute(what: str, text: str) -> Path:
    if not text.startswith("/"):
        raise ValueError(f"{what} is an absolute path")
    return Path(text)
