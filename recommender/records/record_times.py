"""Times of records: parsed from what senders write, or read back as they were stored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TypeGuard

from recommender.records.record_fields import InvalidRecord, is_finite

MAX_CLOCK_SKEW = timedelta(minutes=5)
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)


def parse_time(raw: object, *, now: datetime) -> datetime:
    """Parse a time into aware UTC; raise InvalidRecord when it is invalid or out of range.

    The range is from 1990 to five minutes after `now`.
    """
    expected = "ISO 8601 or epoch seconds"
    seconds: float | None = None
    if is_finite(raw) or _is_epoch_text(raw):
        seconds = float(raw)
    try:
        if seconds is not None:
            at = datetime.fromtimestamp(seconds, UTC)
        elif isinstance(raw, str):
            at = datetime.fromisoformat(raw.strip())
            at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        else:
            raise InvalidRecord("at", found=raw, expected=expected)
    except (ValueError, OverflowError, OSError) as error:
        hint = " (milliseconds? divide by 1000)" if seconds is not None and seconds > 1e11 else ""
        raise InvalidRecord("at", found=raw, expected=expected + hint) from error
    if at < EARLIEST:
        raise InvalidRecord(
            "at", found=raw, expected="a time after 1990-01-01 (is the sender's clock set?)"
        )
    if at > now + MAX_CLOCK_SKEW:
        raise InvalidRecord(
            "at",
            found=raw,
            expected=f"a time not after the present, {now.isoformat(timespec='seconds')}",
        )
    return at


def stored_time(value: object) -> datetime:
    """Return a time as records store it, in UTC; raise InvalidRecord."""
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
        if at is not None and at.tzinfo is not None:
            return at if at.tzinfo is UTC else at.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise InvalidRecord("at", found=value, expected="a time in ISO 8601 with a zone")


def _is_epoch_text(value: object) -> TypeGuard[str]:
    """Return whether a text is epoch seconds; eight digits are a date, as in 20240131."""
    return (
        isinstance(value, str)
        and value.isascii()
        and value.strip().replace(".", "", 1).isdigit()
        and len(value.strip()) != 8
    )
