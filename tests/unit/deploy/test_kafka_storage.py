"""The id of a Kafka cluster of ours: one in 64 random ones begins with a dash, which the storage tool took for an option."""

from __future__ import annotations

import uuid
from base64 import urlsafe_b64decode

import pytest

from deploy.servers.kafka import cluster_id


@pytest.mark.parametrize("first", [0x00, 0xF8, 0xFB, 0xFC, 0xFF])
def test_a_cluster_id_is_sixteen_bytes_and_no_option(first: int) -> None:
    written = cluster_id(uuid.UUID(bytes=bytes([first]) + bytes(15)))
    assert not written.startswith("-")
    assert len(urlsafe_b64decode(written + "==")) == 16
