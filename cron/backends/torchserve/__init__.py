"""TorchServe, one node or several, as the model server."""
