"""Distil an API teacher's answers and reasoning into a small open model."""

__version__ = "0.1.0"
