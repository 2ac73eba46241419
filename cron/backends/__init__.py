"""Back ends, one per file or folder; each imports its client library and no other back end."""
