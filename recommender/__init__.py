"""The recommender that is served: catalogue, encoder, model, ranker, bundle, requests.

The whole package is copied into every .mar, so it imports no other package of this project, and
from outside only torch, transformers, safetensors and numpy.
"""
