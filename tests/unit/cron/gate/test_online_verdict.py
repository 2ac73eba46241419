"""The online verdict: golden answers and latency."""

from __future__ import annotations

from dataclasses import replace

from cron.gate.online_verdict import Probe, online_verdict
from tests.unit.cron.gate.reports import refusals


def test_the_answers_and_the_slowest_probe_decide() -> None:
    probes = [
        Probe(expected={"score": 1.0}, found={"score": 1.0}, latency_ms=20.0 + number)
        for number in range(20)
    ]
    verdict = online_verdict(probes, limit_ms=250.0)
    assert verdict.is_accepted
    assert verdict.metrics == {"probe_p99_ms": 39.0}
    slow = [*probes[:-1], replace(probes[-1], latency_ms=400.0)]
    assert refusals(online_verdict(slow, limit_ms=250.0)) == ["latency"]
    wrong = [*probes[:-1], replace(probes[-1], found={"score": 2.0})]
    assert refusals(online_verdict(wrong, limit_ms=250.0)) == ["golden_answers"]
    assert (
        "1 of 20 golden answers differ: answer.score: expected 1.0, found 2.0"
        in online_verdict(wrong, limit_ms=250.0).reasons[0].text
    )
