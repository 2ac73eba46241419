"""Times as programs write them, as seconds since 1970. A time without a zone is UTC.

Forms whose day and month could be confused (01/02/2026) are refused, and so are zones with a name
other than UTC, GMT and Z.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

# Rejects with equal reasons are counted together, so the reason does not contain the text found.
EXPECTED_TIME = (
    "a time: ISO 8601 such as 2026-01-31 09:30:00 (UTC, or with an offset such as +01:00), "
    "or a number since 1970"
)
# The size of a number decides its unit: 1e11 s is the year 5138, 1e11 ms is 1973.
MILLISECONDS_FROM = 1e11
_TICKS_PER_S = ((1e17, 1e9), (1e14, 1e6), (MILLISECONDS_FROM, 1e3))
_TICKS_OF_UNIT = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
_WITHOUT_DASHES = r"(?:19|20)\d{12}"  # 20260131093000; as milliseconds it would be the year 2600
_WITHOUT_DASHES_BETWEEN = (19 * 10**12, 21 * 10**12)
_DATES_BELOW = 10**8
_ISO = re.compile(
    r"(?P<year>\d{4})[-/](?P<month>\d{1,2})[-/](?P<day>\d{1,2})"
    r"(?:[T ]\s*(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}(?:[.,]\d+)?))?)?"
    r"\s*(?:Z|UTC|GMT|Etc/UTC)?\s*(?P<offset>[+-]\d{1,2}(?::?\d{2})?)?"
    # Go writes +0000 UTC, or +0300 +03, and its monotonic clock
    r"(?P<zone>\s+[A-Z]{2,5}|\s+[+-]\d{2,4})?(?:\s+m=\S+)?",
    re.IGNORECASE,
)
_ZULU = ("z", "utc", "gmt")
_NAMED_MONTHS = (
    "%a %b %d %H:%M:%S %z %Y",  # Twitter, Goodreads, Ruby
    "%a, %d %b %Y %H:%M:%S %z",  # RFC 2822: e-mail and HTTP
    "%a %b %d %Y %H:%M:%S %z",  # JavaScript's Date
    "%a %b %d %H:%M:%S %Y",  # C's ctime
)


def times_of(texts: Sequence[str] | pd.Series) -> NDArray[np.float64]:
    """Return epoch seconds; NaN where a text is not a time.

    The size of a number decides its unit.
    """
    column = pd.Series(texts, dtype=str).str.strip()
    at_N = pd.to_numeric(column, errors="coerce").to_numpy(np.float64).copy()
    is_date_N = column.str.fullmatch(r"\d{8}").to_numpy(np.bool_)  # 20160901, as in records
    first, last = _WITHOUT_DASHES_BETWEEN
    is_date_N = is_date_N | (at_N > first) & (at_N < last) & column.str.fullmatch(
        _WITHOUT_DASHES
    ).to_numpy(np.bool_)
    at_N = _in_seconds(at_N)
    named_N = (np.isnan(at_N) | is_date_N) & (column != "").to_numpy(np.bool_)
    if named_N.any():
        at_N[named_N] = _named_times(column[named_N])
    return at_N


def whole_times(numbers_N: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return epoch seconds of what `whole_numbers` returned."""
    return _in_seconds(numbers_N.astype(np.float64))


def whole_numbers(column: pa.Array) -> NDArray[np.int64] | None:
    """Return numbers since 1970, or None if a cell is something else, or could be a date."""
    is_text = pa.types.is_string(column.type)
    if column.null_count or not (is_text or pa.types.is_integer(column.type)):
        return None
    if is_text and not pc.all(pc.match_substring_regex(column, r"^[0-9]+$")).as_py():
        return None
    try:
        numbers_N = column.cast(pa.int64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:  # more than 64 bits
        return None
    first, last = _WITHOUT_DASHES_BETWEEN
    may_be_date_N = (numbers_N < _DATES_BELOW) | ((numbers_N > first) & (numbers_N < last))
    return None if may_be_date_N.any() else numbers_N


def is_time(text: str) -> bool:
    """Return whether a text is a time and not a plain number."""
    return not text.strip().isdigit() and bool(np.isfinite(times_of([text])[0]))


def _in_seconds(at_N: NDArray[np.float64]) -> NDArray[np.float64]:
    for least, ticks_per_s in _TICKS_PER_S:
        at_N = np.where(at_N >= least, at_N / ticks_per_s, at_N)
    return at_N


def _named_times(column: pd.Series) -> NDArray[np.float64]:
    """Return epoch seconds of texts that are not plain numbers."""
    # The pattern excludes `now` and `today`, which pandas would accept.
    at_N = _seconds(column.where(column.str.match(r"\d{4}")), "ISO8601")
    for read in (_other_iso, _with_named_month):
        missing = np.flatnonzero(np.isnan(at_N))
        if len(missing):
            at_N[missing] = read(column.iloc[missing])
    return at_N


def _seconds(texts: pd.Series, form: str) -> NDArray[np.float64]:
    moments = pd.to_datetime(texts, format=form, utc=True, errors="coerce")
    at_N = moments.astype(np.int64).to_numpy() / _TICKS_OF_UNIT[moments.dt.unit]
    at_N[moments.isna().to_numpy()] = np.nan
    return np.round(at_N, 6)


def _other_iso(column: pd.Series) -> NDArray[np.float64]:
    places_N, uniques = pd.factorize(column)
    rewritten = pd.Series([_strict_iso(str(one)) for one in uniques], dtype=object)
    return _seconds(rewritten, "ISO8601")[places_N]


def _strict_iso(text: str) -> str | None:
    """Rewrite a year-first time in strict ISO 8601; None when it is not one.

    A zone with an unknown name and no offset gives None too.
    """
    if text.isdigit():
        return f"{text[:8]}T{text[8:]}"
    found = _ISO.fullmatch(text)
    if found is None:
        return None
    zone = (found["zone"] or "").strip().lower()
    if found["offset"] is None and zone and zone not in _ZULU:
        return None
    date = f"{found['year']}-{int(found['month']):02}-{int(found['day']):02}"
    if found["hour"] is None:
        return date
    second = (found["second"] or "00").replace(",", ".")
    return f"{date}T{int(found['hour']):02}:{found['minute']}:{second}{_offset(found['offset'])}"


def _offset(text: str | None) -> str:
    """Return an offset as +HH:MM."""
    if text is None:
        return "Z"
    digits = text[1:].replace(":", "")
    hours, minutes = (digits[:-2], digits[-2:]) if len(digits) > 2 else (digits, "00")
    return f"{text[0]}{int(hours):02}:{minutes}"


def _with_named_month(column: pd.Series) -> NDArray[np.float64]:
    # JavaScript appends (Coordinated Universal Time).
    texts = column.str.replace(r"\s*\([^)]*\)$", "", regex=True)
    texts = texts.str.replace(r"\b(?:GMT|UTC)(?=[+-]\d)", "", regex=True).str.replace(
        r"\b(?:GMT|UTC|Z)\b", "+0000", regex=True
    )
    at_N = np.full(len(texts), np.nan)
    for form in _NAMED_MONTHS:
        missing = np.flatnonzero(
            np.isnan(at_N) & texts.str.match(r"[A-Z][a-z]{2}").to_numpy(np.bool_)
        )
        if len(missing):
            at_N[missing] = _seconds(texts.iloc[missing], form)
    return at_N
