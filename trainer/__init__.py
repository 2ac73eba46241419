"""Make a candidate from a snapshot: files in, files out, without network or clock."""
