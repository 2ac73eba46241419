"""Forgetting users: the request, the erasure, and what is still held of them."""
