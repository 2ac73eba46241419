"""The posterior of item rewards: what the worker learns from shown lists every few seconds."""
