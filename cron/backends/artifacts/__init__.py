"""Artifact stores: a folder, and buckets that speak the S3 API."""
