"""Where trainings run: `process:`, `torchrun:?nproc=N`, `ray://HOST:PORT?workers=N`."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from cron.urls.wrong_url import WrongUrl

_TORCHRUN = "torchrun:?nproc=N with N processes, at least 1"
_RAY = "ray://HOST:PORT?workers=N, or ray:?workers=N for a cluster on this machine"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessUrl:
    """One process on this machine; the URL has no options."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TorchrunUrl:
    """A number of processes on this machine."""

    num_processes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RayUrl:
    """A number of workers on a Ray cluster: `HOST:PORT` of its head, None for one started here."""

    head: str | None
    num_workers: int


def parse_process(url: str) -> ProcessUrl:
    """Parse a `process:` URL."""
    del url
    return ProcessUrl()


def parse_torchrun(url: str) -> TorchrunUrl:
    """Parse a `torchrun:` URL; raise WrongUrl."""
    try:
        return TorchrunUrl(num_processes=_number("nproc", url))
    except ValueError as error:
        raise WrongUrl(url, expected=_TORCHRUN, reason=str(error)) from error


def parse_ray(url: str) -> RayUrl:
    """Parse a `ray:` URL; raise WrongUrl."""
    try:
        parts = urlsplit(url)
        if (parts.port is not None) != bool(parts.netloc):
            raise ValueError("HOST and PORT go together")
        return RayUrl(head=parts.netloc or None, num_workers=_number("workers", url))
    except ValueError as error:
        raise WrongUrl(url, expected=_RAY, reason=str(error)) from error


def _number(option: str, url: str) -> int:
    """Return the value of the one option that the URL may have; 1 without it."""
    options = parse_qs(urlsplit(url).query, keep_blank_values=True)
    text = options.pop(option, ["1"])[-1]
    if options:
        raise ValueError(f"{next(iter(options))}= is not an option")
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"{option}= is a whole number of 1 or more")
    return int(text)
