"""Synthetic data to try things on, and keys to try them with."""

from app.demo.keys import show_keys
from app.demo.loading import load

__all__ = ["load", "show_keys"]
