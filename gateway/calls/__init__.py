"""The HTTP calls, one module for each group of routes."""
