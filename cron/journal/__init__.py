"""The journal of accepted records: how they are collected, stored, found again and removed."""
