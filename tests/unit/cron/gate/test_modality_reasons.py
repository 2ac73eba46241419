"""What a modality is worth stands in the verdict, and never refuses a candidate."""

from __future__ import annotations

from dataclasses import replace

from cron.gate.modality_reasons import modality_reasons
from cron.gate.offline_verdict import offline_verdict
from tests.unit.cron.gate.reports import AGAINST, ERRORS, LIVE, NUM_USERS, SETTINGS, report, scores
from trainer.report import Evaluation


def modalities(num_users: int = NUM_USERS) -> Evaluation:
    """Return a candidate that needs its texts, and gets nothing from facts."""
    models = {
        "candidate": scores(LIVE[:num_users], None),
        "text": scores(LIVE[:num_users] / 2, None),
        "facts": scores(LIVE[:num_users], None),
        "audio": scores(LIVE[:num_users], None),
    }
    found = report(models, num_users=num_users).panel
    assert found is not None
    return found


def test_a_modality_that_loses_nothing_does_not_pay() -> None:
    text, facts, audio = modality_reasons(modalities(), None, 200)
    assert text.name == "modality_text"
    assert text.text.startswith(
        "texts are used by the model: shuffling them among the items costs +."
    )
    assert text.low is not None
    assert text.low > 0
    assert facts.text == (
        "facts do not pay for themselves: shuffling them among the items costs 0 NDCG@10 (0 to 0)"
    )
    assert audio.text.startswith("vectors of audio do not pay for themselves")
    assert text.ok
    assert facts.ok


def test_few_users_say_nothing_about_modalities() -> None:
    assert modality_reasons(modalities(4), None, 200) == []
    assert modality_reasons(None, None, 200) == []


def test_the_verdict_says_what_modalities_are_worth() -> None:
    panel = {"candidate": scores(LIVE, ERRORS), "live": scores(LIVE, ERRORS)}
    one = replace(report(panel), modalities=modalities())
    verdict = offline_verdict(one, SETTINGS, AGAINST)
    names = [reason.name for reason in verdict.reasons]
    assert names.count("modality_text") == names.count("modality_facts") == 1
    assert verdict.is_accepted == offline_verdict(report(panel), SETTINGS, AGAINST).is_accepted
