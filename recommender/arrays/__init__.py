"""Arrays that files map and releases share, and operations on them."""
