"""The bodies of requests: bytes, unpacked and bounded, and what they hold."""
