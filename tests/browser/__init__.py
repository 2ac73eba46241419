"""What only a real browser can show. `make test-services` runs it."""
