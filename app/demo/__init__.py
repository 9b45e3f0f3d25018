"""Synthetic data to try things on, and keys to try them with."""

from app.demo.keys import print_keys
from app.demo.loading import load_demo_data

__all__ = ["load_demo_data", "print_keys"]
