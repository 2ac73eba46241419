"""Providers of rented machines: a program of the operator, Ray's autoscaler, and KubeRay."""
