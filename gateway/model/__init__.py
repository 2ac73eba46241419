"""The way to the model: TorchServe nodes, the live release, recommendations."""
