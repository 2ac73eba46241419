"""The hint for several tables that may be parts of one."""

from __future__ import annotations

from pathlib import Path

import pytest

from cron.errors import FreshetError
from cron.verbs.datasets.table_options import read_source
from sources.tables.columns import Columns


@pytest.mark.parametrize("is_parts", [False, True])
def test_a_folder_per_partition_is_not_asked_for_parts(tmp_path: Path, is_parts: bool) -> None:
    """Hive and Spark write a folder per partition, and --parts joins the files of one folder."""
    for day in ("date=2024-01-01", "date=2024-01-02"):
        (tmp_path / day).mkdir()
        (tmp_path / day / "part-0.csv").write_text("user,item,at\nann,tea,2024-01-01\n")
    columns = Columns(user="user", item="item", at="at", is_parts=is_parts)
    with pytest.raises(FreshetError, match="put them into one folder and give --parts"):
        read_source(tmp_path, columns)


def test_tables_of_one_folder_may_be_parts(tmp_path: Path) -> None:
    for name in ("may.csv", "june.csv"):
        (tmp_path / name).write_text("user,item,at\nann,tea,2024-01-01\n")
    columns = Columns(user="user", item="item", at="at")
    with pytest.raises(FreshetError, match="or give --parts if together they are one table"):
        read_source(tmp_path, columns)
