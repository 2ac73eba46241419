"""A candidate that the gate accepted, begun on trial against the live release."""

from __future__ import annotations

from cron.gate.verdict import Verdict
from cron.ledger import run_rows, trial_rows
from cron.ledger.ledger import Ledger
from cron.lineage import Lease
from cron.trial import CandidateTrial, ShadowCounts
from tests.releases import reason
from trainer.codec import encode

CANDIDATE, LIVE = 4, 3
SHADOW = ShadowCounts(num_compared=10, overlap=8.0, rank_overlap=9.0, live_seconds=1.0, seconds=1.5)


def begin_trial(ledger: Ledger, lease: Lease) -> int:
    """Start a canary of a tenth of the users, with a shadow; return the run's id."""
    why = reason("enough", ok=True)
    run = run_rows.start(ledger, "update", reason=why, supersedes=LIVE, lease=lease)
    verdict = Verdict(reasons=(reason("ndcg_live", ok=True),), metrics={})
    run_rows.record_step(ledger, run.run_id, "judge", encode(verdict), seconds=1, lease=lease)
    trial = CandidateTrial(
        version=CANDIDATE,
        run_id=run.run_id,
        live=LIVE,
        canary_share=0.1,
        shadow_share=0.05,
        after_seq=0,
        started_at=ledger.now(),
    )
    trial_rows.start(ledger, trial, lease=lease)
    return run.run_id
