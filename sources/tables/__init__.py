"""Rows of files: CSV, JSON lines and Parquet, their cells and their encodings."""
