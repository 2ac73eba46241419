"""HTTP load from wrk, which is independent of us; from our own client without wrk.

wrk is written in C and leaves the processor to the server. Both keep their connections, and each
connection sends its next request after the last answer.
"""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.speed.load import load_requests

TIMEOUT_S = 10
_UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}
_PERCENTILE = re.compile(r"^\s+(50|99)%\s+([\d.]+)(us|ms|s|m) *$", re.MULTILINE)
_REQUESTS = re.compile(r"(\d+) requests in ([\d.]+)(ms|s|m),")
_FAILED = re.compile(r"Non-2xx or 3xx responses: (\d+)|(?:connect|read|write|timeout) (\d+)")

_SCRIPT = """
local all, at = {{}}, 0
function init(args)
    local file = io.open("{path}", "rb")
    for size in function() return file:read("*n") end do
        file:read(1)
        all[#all + 1] = file:read(size)
    end
end
function request() at = at % #all + 1 return all[at] end
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """One request; GET without a body, POST with one."""

    path: str
    body: str | None = None

    @property
    def method(self) -> str:
        """Return its method."""
        return "GET" if self.body is None else "POST"

    def encode(self) -> bytes:
        """Return it as it is sent."""
        content = (self.body or "").encode()
        lines = [f"{self.method} {self.path} HTTP/1.1", "Host: 127.0.0.1"]
        if self.body is not None:
            lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The answers of one load."""

    rate: float  # answered requests a second
    p50_ms: float
    p99_ms: float
    num_failed: int


def generator_name() -> str:
    """Return which client makes the load."""
    return "wrk" if shutil.which("wrk") else "our own client, in Python"


def measure(
    port: int, requests: Sequence[HttpRequest], *, connections: int, seconds: float
) -> Measured:
    """Send the requests in turn for some seconds."""
    program = shutil.which("wrk")
    if program is None:
        return _measure_here(port, requests, connections, seconds)
    with tempfile.TemporaryDirectory(prefix="freshet-bench-") as folder:
        script = _write_script(Path(folder), requests)
        words = [program, "--threads", "1", "--connections", str(connections)]
        words += ["--duration", f"{max(1, round(seconds))}s", "--timeout", f"{TIMEOUT_S}s"]
        words += ["--latency", "--script", str(script), f"http://127.0.0.1:{port}/"]
        ended = subprocess.run(words, capture_output=True, text=True, check=True)
    return parse_wrk(ended.stdout)


def parse_wrk(output: str) -> Measured:
    """Parse what wrk prints with `--latency`; raise ValueError for another text."""
    found = _REQUESTS.search(output)
    times = {
        one: float(value) * _UNITS_MS[unit] for one, value, unit in _PERCENTILE.findall(output)
    }
    if found is None or len(times) < 2:
        raise ValueError(f"wrk printed {output[:500]!r}")
    num_failed = sum(int(one or other) for one, other in _FAILED.findall(output))
    seconds = float(found[2]) * _UNITS_MS[found[3]] / 1000
    return Measured(
        rate=(int(found[1]) - num_failed) / seconds,
        p50_ms=times["50"],
        p99_ms=times["99"],
        num_failed=num_failed,
    )


def _write_script(folder: Path, requests: Sequence[HttpRequest]) -> Path:
    """Write a Lua script that makes wrk send the requests in turn, and a file that holds them.

    So many long texts inside the script would overflow Lua's stack.
    """
    data, script = folder / "requests", folder / "requests.lua"
    with data.open("wb") as file:
        for one in requests:
            content = one.encode()
            file.write(b"%d\n%s" % (len(content), content))
    script.write_text(_SCRIPT.format(path=data), encoding="utf-8")
    return script


def _measure_here(
    port: int, requests: Sequence[HttpRequest], connections: int, seconds: float
) -> Measured:
    encoded = [one.encode() for one in requests]
    numbers = itertools.count()
    with load_requests(
        port, lambda _: encoded[next(numbers) % len(encoded)], connections=connections
    ) as tally:
        time.sleep(seconds)
    return Measured(
        rate=tally.rate,
        p50_ms=tally.percentile_ms(0.5),
        p99_ms=tally.percentile_ms(0.99),
        num_failed=len(tally.failures),
    )
