"""Rows of results, the tables made of them, and the finished parts that are kept."""
