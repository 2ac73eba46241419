"""Where a picture is: the place that the settings must allow before it is fetched."""

from __future__ import annotations

from urllib.parse import urlsplit

from cron.settings.tree import PictureSettings
from recommender.records.images import artifact_of

FILES, ARTIFACTS = "file:", "artifact:"
NOWHERE = ""  # the place of a picture that is never fetched
_DEFAULT_PORTS = {"http": 80, "https": 443}


def place_of(source: str) -> str:
    """Return the place of a picture: its web host, with a port that is not the scheme's own.

    Files and artifacts are places of their own.
    """
    if artifact_of(source) is not None:
        return ARTIFACTS
    if source.startswith(FILES):
        return FILES
    parts = urlsplit(source)
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    is_usual = parts.port in (None, _DEFAULT_PORTS.get(parts.scheme))
    return host if is_usual else f"{host}:{parts.port}"


def allowed_places(settings: PictureSettings) -> frozenset[str]:
    """Return the places from which pictures may be fetched; artifacts are always allowed."""
    places = {ARTIFACTS} | hosts_of(settings.hosts) | hosts_of(settings.private_hosts)
    return frozenset(places | {FILES}) if settings.folder is not None else frozenset(places)


def hosts_of(setting: tuple[str, ...] | None) -> frozenset[str]:
    """Return the places that a setting of hosts names; none if it is not set."""
    return frozenset(map(str.lower, setting or ()))
