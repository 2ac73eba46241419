"""What we serve: records, catalogue, encoder, model, ranker, bundle and wire format.

Ships whole inside every .mar, so it imports nothing of ours and only torch, transformers,
safetensors and numpy.
"""
