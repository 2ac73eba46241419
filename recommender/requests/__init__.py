"""Requests of TorchServe's endpoint as typed values: their fields, limits and errors."""
