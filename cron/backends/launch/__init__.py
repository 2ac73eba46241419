"""Ways to start a training: a child process, torchrun, or a Ray cluster."""
