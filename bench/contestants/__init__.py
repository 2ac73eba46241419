"""The models that are compared: ours, simple ones, and those of other libraries."""
