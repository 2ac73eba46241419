"""The models that are compared: Freshet, simple ones, and those of other libraries."""
