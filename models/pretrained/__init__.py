"""Weights that others trained: fetched, read without running anything, given to a network."""
