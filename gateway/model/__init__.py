"""The model and what stands behind it: TorchServe nodes, the live release, recommendations."""
