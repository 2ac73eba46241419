"""The TorchServe adapter: protocol only."""
