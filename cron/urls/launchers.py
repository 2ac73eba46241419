"""Where trainings run: `process:`, `torchrun:?nproc=N`, `ray://HOST:PORT?workers=N`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from cron.urls.options import known_options, number_range, whole_number
from cron.urls.wrong_url import WrongUrl

_TORCHRUN = (
    "torchrun:?nproc=N with N processes, at least 1, and &nnodes=MIN:MAX&rdzv=HOST:PORT for "
    "several machines, which meet at an address of this one"
)
_RAY = (
    "ray://HOST:PORT?workers=N, or ray:?workers=N for a cluster on this machine; "
    "N may be a range such as 1:4, gpus=1 gives each worker a GPU, and files=store sends files "
    "through store.artifacts"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessUrl:
    """One process on this machine; the URL has no options."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nodes:
    """The least and the most machines of a training, and where they meet."""

    least: int
    most: int
    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TorchrunUrl:
    """A number of processes on each machine: on this one alone, or with others that join."""

    num_processes: int
    nodes: Nodes | None = None
    uses_store: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RayUrl:
    """The least and the most workers on a Ray cluster.

    `head` is HOST:PORT, or None for a cluster that is started here. With `needs_gpu`, each worker
    has a GPU; otherwise only if `train.device` is "cuda". With `uses_store`, files travel through
    the artifact store; otherwise all machines share the folder `store.var`.
    """

    head: str | None
    least: int
    most: int
    needs_gpu: bool = False
    uses_store: bool = False


def parse_process(url: str) -> ProcessUrl:
    """Parse a `process:` URL."""
    del url
    return ProcessUrl()


def parse_torchrun(url: str) -> TorchrunUrl:
    """Parse a `torchrun:` URL; raise WrongUrl."""
    try:
        options = known_options(url, ("nproc", "nnodes", "rdzv", "files"))
        num_processes = whole_number("nproc", options.get("nproc", "1"))
        nodes, uses_store = _nodes(options), _uses_store(options)
        if uses_store and nodes is None:
            raise ValueError("files=store is for several machines, with nnodes= and rdzv=")
        return TorchrunUrl(num_processes=num_processes, nodes=nodes, uses_store=uses_store)
    except ValueError as error:
        raise WrongUrl(url, expected=_TORCHRUN, reason=str(error)) from error


def parse_ray(url: str) -> RayUrl:
    """Parse a `ray:` URL; raise WrongUrl."""
    try:
        parts = urlsplit(url)
        if (parts.port is not None) != bool(parts.netloc):
            raise ValueError("HOST and PORT go together")
        options = known_options(url, ("workers", "gpus", "files"))
        least, most = number_range("workers", options.get("workers", "1"))
        gpus = options.get("gpus", "0")
        if gpus not in ("0", "1"):
            raise ValueError("gpus= is 0 or 1, because a worker trains on one GPU")
        return RayUrl(
            head=parts.netloc or None,
            least=least,
            most=most,
            needs_gpu=gpus == "1",
            uses_store=_uses_store(options),
        )
    except ValueError as error:
        raise WrongUrl(url, expected=_RAY, reason=str(error)) from error


def _uses_store(options: Mapping[str, str]) -> bool:
    files = options.get("files", "shared")
    if files not in ("shared", "store"):
        raise ValueError("files= is shared or store")
    return files == "store"


def _nodes(options: Mapping[str, str]) -> Nodes | None:
    """Return the machines that the options name; None for this one alone."""
    if "nnodes" not in options and "rdzv" not in options:
        return None
    if "nnodes" not in options or "rdzv" not in options:
        raise ValueError("nnodes= and rdzv= go together")
    least, most = number_range("nnodes", options["nnodes"])
    where = urlsplit(f"//{options['rdzv']}")
    if not where.hostname or where.port is None or "@" in where.netloc or where.path:
        raise ValueError("rdzv= is HOST:PORT")
    return Nodes(least=least, most=most, host=where.hostname, port=where.port)
