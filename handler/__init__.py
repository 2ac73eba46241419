"""The adapter to TorchServe. It handles the protocol only.

`recommend` is the handler that TorchServe loads; `context` has the types of TorchServe's context.
"""
