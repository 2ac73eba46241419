"""Rows of results, the tables rendered from them, and the finished parts that are kept."""
