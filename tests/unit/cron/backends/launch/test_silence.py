"""A training is silent when its progress does not change, even if it is copied again."""

from pathlib import Path

from cron.backends.launch.silence import Silence
from trainer.candidate_files import PROGRESS, partial_of


def test_only_new_progress_ends_a_silence(tmp_path: Path) -> None:
    out, now_s = tmp_path / "candidate", [0.0]
    silence = Silence(out, limit_s=60.0, now_s=lambda: now_s[0])
    file = partial_of(out) / PROGRESS
    file.parent.mkdir()
    for passed_s, text, is_over in (
        (59.0, None, False),
        (59.5, "1", False),
        (100.0, "1", False),  # as a store's progress is copied each second
        (119.0, "1", False),
        (119.5, "1", True),
        (119.6, "2", False),
    ):
        if text is not None:
            file.write_text(text)
        now_s[0] = passed_s
        assert silence.is_over() == is_over
