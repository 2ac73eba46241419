"""Reading what wrk prints."""

from __future__ import annotations

import pytest

from bench.speed.generator import HttpRequest, Measured, parse_wrk

PRINTED = """Running 5s test @ http://127.0.0.1:8000/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   240.61ms   12.00ms 520.96ms   75.00%
    Req/Sec   234.60     10.00     0.26k    70.00%
  Latency Distribution
     50%   23.50ms
     75%  300.00ms
     90%    1.01s
     99%    1.50s
  1200 requests in 5.00s, 1.00MB read
Requests/sec:    240.00
Transfer/sec:      0.20MB
"""


@pytest.mark.parametrize("printed", [PRINTED, PRINTED.replace("1.50s\n", "1.50s \n")])
def test_a_report_of_wrk_is_read(printed: str) -> None:
    assert parse_wrk(printed) == Measured(rate=240.0, p50_ms=23.5, p99_ms=1500.0, num_failed=0)


def test_refusals_and_time_outs_are_failures() -> None:
    failing = f"""{PRINTED}  Socket errors: connect 1, read 2, write 3, timeout 4
  Non-2xx or 3xx responses: 90
"""
    found = parse_wrk(failing)
    assert (found.num_failed, found.rate) == (100, 220.0)


def test_another_text_is_an_error() -> None:
    with pytest.raises(ValueError, match="unable to connect"):
        parse_wrk("unable to connect to 127.0.0.1:1 Connection refused")


def test_a_request_with_a_body_is_a_post() -> None:
    sent = HttpRequest(path="/v1/events", body='{"é": 1}').encode()
    assert sent.startswith(b"POST /v1/events HTTP/1.1\r\n")
    assert b"\r\nContent-Length: 9\r\n" in sent
    assert HttpRequest(path="/x").encode() == b"GET /x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
