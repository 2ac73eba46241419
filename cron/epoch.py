"""Times as whole microseconds since 1970, exactly, and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def micros(at: datetime) -> int:
    """Return epoch microseconds, exactly."""
    return (at - EPOCH) // _MICROSECOND


def moment(at_us: int) -> datetime:
    """Return the aware UTC time of epoch microseconds, exactly."""
    return EPOCH + timedelta(microseconds=at_us)
