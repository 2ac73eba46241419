"""Every rank reads its users alone, and all ranks together read the file in its order."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from trainer.data.event_file import EventFile, RowGroup, shards_of, share_of


def write(path: Path, users: list[str], *, in_group: int) -> EventFile:
    pq.write_table(pa.table({"user_id": users}), path, row_group_size=in_group)
    return EventFile.local(path)


def users_of(file: EventFile, rank: int, num_ranks: int) -> list[str]:
    found: list[str] = file.share(rank, num_ranks).column("user_id").to_pylist()
    return found


def test_a_user_in_two_row_groups_is_not_divided(tmp_path: Path) -> None:
    file = write(tmp_path / "events.parquet", [*"aabbbbccdd"], in_group=3)
    assert users_of(file, 0, 2) == [*"aabbbb"]
    assert users_of(file, 1, 2) == [*"ccdd"]


def test_a_file_in_another_order_is_read_by_one_rank(tmp_path: Path) -> None:
    file = write(tmp_path / "events.parquet", [*"bbaacc"], in_group=2)
    assert users_of(file, 0, 2) == [*"bbaa"]
    file = write(tmp_path / "events.parquet", [*"bbccaa"], in_group=2)
    assert sorted(len(users_of(file, rank, 2)) for rank in range(2)) == [0, 6]


def test_an_empty_file_gives_every_rank_its_columns(tmp_path: Path) -> None:
    file = write(tmp_path / "events.parquet", [], in_group=2)
    assert [users_of(file, rank, 2) for rank in range(2)] == [[], []]


@given(
    sizes=st.lists(st.integers(0, 9), min_size=1, max_size=20),
    num_ranks=st.integers(1, 7),
)
def test_ranks_divide_row_groups_among_them(sizes: list[int], num_ranks: int) -> None:
    groups = [
        RowGroup(num_rows=size, users=(f"{number:02}", f"{number:02}z"))
        for number, size in enumerate(sizes)
    ]
    shares = [share_of(shards_of(groups), rank, num_ranks) for rank in range(num_ranks)]
    assert [number for share in shares for number in share] == list(range(len(sizes)))
