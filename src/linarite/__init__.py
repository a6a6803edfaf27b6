"""Linarite: a self-hosted batch computing server, one engine under four protocols that already have clients."""

__version__ = "0.1.0"
