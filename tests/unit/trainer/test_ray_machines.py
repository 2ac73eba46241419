"""How many workers have room on the machines of a Ray cluster."""

from __future__ import annotations

from trainer.ray_machines import num_rooms

NODES = [
    {"Alive": True, "Resources": {"memory": 1.0}},  # a head without processors
    {"Alive": True, "Resources": {"CPU": 8.0, "GPU": 4.0}},
    {"Alive": True, "Resources": {"CPU": 2.0}},
    {"Alive": False, "Resources": {"CPU": 8.0, "GPU": 8.0}},
]


def test_room_is_counted_on_machines_that_are_alive() -> None:
    assert num_rooms(NODES, {"CPU": 1.0}) == 10
    assert num_rooms(NODES, {"CPU": 1.0, "GPU": 1.0}) == 4
    assert num_rooms(NODES, {"CPU": 1.0, "GPU": 3.0}) == 1
    assert num_rooms([], {"CPU": 1.0}) == 0
