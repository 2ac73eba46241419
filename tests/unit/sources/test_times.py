"""Times in files, in the forms that programs write."""

from __future__ import annotations

import numpy as np
import pytest

from sources.cells.times import times_of

AT = 1569888000.0  # 2019-10-01 00:00 UTC


@pytest.mark.parametrize(
    "text",
    [
        "2019-10-01",
        "20191001",
        "20191001000000",
        "2019/10/01",
        "2019/10/1 0:00",
        "2019-10-01T00:00:00Z",
        "2019-10-01 00:00:00",
        "2019-10-01 00:00:00 UTC",
        "2019-10-01 00:00:00 GMT",
        "2019-10-01 00:00:00 utc",
        "2019-10-01 00:00:00.000 Z",
        "2019-10-01 00:00:00 +0000 UTC",
        "2019-10-01 03:00:00 +0300 MSK",
        "2019-10-01 03:00:00.0 +0300 +03 m=+0.01",
        "2019-10-01 03:00:00+03",
        "2019-10-01 03:00:00 +03:00",
        "2019-10-01 03:00 UTC+3",
        "2019-10-01 00:00:00 Etc/UTC",
        "Tue Oct 01 00:00:00 +0000 2019",
        "Tue, 01 Oct 2019 00:00:00 GMT",
        "Tue, 01 Oct 2019 02:00:00 +0200",
        "Tue Oct 01 2019 02:00:00 GMT+0200 (Central European Summer Time)",
        "Tue Oct  1 00:00:00 2019",
        "1569888000",
        "1569888000.0",
        "1569888000000",
        "1569888000000000",
        "1569888000000000000",
    ],
)
def test_forms_that_programs_write_are_times(text: str) -> None:
    assert times_of([text, f" {text} "]).tolist() == [AT, AT]


@pytest.mark.parametrize(
    "text",
    [
        "29-01-2021 07:01",
        "01/29/2021",
        "11/15/2019 8:55:22 AM",
        "2019-10-01 00:00:00 MSK",
        "2019-13-01",
        "2019-10-01 25:00",
        "",
        "now",
        "today",
        "NaT",
        "nan",
        "inf",
        "T",
        "Tuesday",
        "20191301000000",
    ],
)
def test_an_ambiguous_text_is_not_a_time(text: str) -> None:
    assert not np.isfinite(times_of([text])[0])


def test_mixed_forms_are_read_with_their_fractions() -> None:
    texts = [
        "2019-10-01 00:00:00.25 UTC",
        "1569888000.25",
        "2019-10-01T02:00:00.250+02:00",
        "?",
        "2019-10-01 00:00:00.25",
    ]
    assert times_of(texts).tolist()[:3] == [AT + 0.25] * 3
    assert np.isnan(times_of(texts)).tolist() == [False, False, False, True, False]
