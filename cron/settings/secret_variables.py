"""Environment variables that hold secrets: an empty one is a mistake, never "no secret".

A unit file or compose file with an unfilled variable would otherwise silently remove protection.
The clients read the values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

from cron.errors import SettingsError
from cron.settings.tree import StoreSettings

_KAFKA = "FRESHET_KAFKA_"  # all of these are secrets
_BY_SCHEME: Mapping[str, tuple[str, ...]] = {
    "postgresql": ("PGPASSWORD",),
    "redis": ("REDIS_PASSWORD",),
    "rediss": ("REDIS_PASSWORD",),
    "s3": ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
}


def check_secrets(store: StoreSettings, env: Mapping[str, str]) -> None:
    """Raise SettingsError for an empty secret of a server that the settings name."""
    schemes = {str(getattr(store, field.name)).partition(":")[0] for field in fields(store)}
    names = {name for scheme in schemes for name in _BY_SCHEME.get(scheme, ())}
    if "kafka" in schemes:
        names |= {name for name in env if name.startswith(_KAFKA)}
    for name in sorted(names & env.keys()):
        check_secret(name, env[name])


def check_secret(name: str, value: str) -> None:
    """Raise SettingsError for a variable that is set and empty."""
    if not value.strip():
        raise SettingsError(
            f"environment {name}: is set and empty, which is not a secret; give it a value, or"
            " unset it for none"
        )
