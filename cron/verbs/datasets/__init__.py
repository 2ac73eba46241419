"""What `ingest` and `replay` share: reading a data set, and choosing a slice of its events."""
