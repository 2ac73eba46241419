"""How a model learns: the loop, the losses, the optimiser, and the checkpoint."""
