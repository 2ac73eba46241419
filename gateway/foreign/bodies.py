"""Bodies of foreign calls, parsed whole: one call, a batch of calls, or NDJSON."""

from __future__ import annotations

import json

from gateway.content.record_bodies import is_ndjson
from gateway.content.request_body import BadBody
from gateway.foreign.translation import Fields

# Segment accepts 500 KB and GA4 130 kB. Parsed, a body may take thirty times its bytes.
MAX_FOREIGN_BYTES = 2 * 1024 * 1024


def segment_calls(body: bytes | bytearray, content_type: str) -> list[object]:
    """Return the calls of a body: one, a list, the `batch` of an object, or NDJSON.

    Raise BadBody. `sentAt` and `context` of a batch are not read.
    """
    if is_ndjson(content_type):
        calls: list[object] = [_parse(line) for line in bytes(body).splitlines() if line.strip()]
    else:
        parsed = _parse(body)
        if isinstance(parsed, dict) and "batch" in parsed:
            parsed = parsed["batch"]
            if not isinstance(parsed, list):
                raise BadBody("batch is not a list; expected a list of calls")
        calls = parsed if isinstance(parsed, list) else [parsed]
    if not calls:
        raise BadBody("the batch is empty; expected at least one call")
    return calls


def ga4_body(body: bytes | bytearray) -> tuple[Fields, list[object]]:
    """Return the object of a body and its events; raise BadBody."""
    parsed = _parse(body)
    if not isinstance(parsed, dict):
        raise BadBody("the body is not a JSON object; expected client_id and events")
    events = parsed.get("events")
    if not isinstance(events, list) or not events:
        raise BadBody("the body has no events; expected a list of at least one")
    return parsed, events


def _parse(text: bytes | bytearray) -> object:
    if not text.strip():
        raise BadBody("the body is empty; expected a JSON object")
    try:
        value: object = json.loads(text)
    except RecursionError as error:
        raise BadBody("the body is JSON nested too deeply") from error
    except ValueError as error:  # not JSON, not UTF-8, or a number of thousands of digits
        raise BadBody(f"the body is not JSON ({error})") from error
    return value
