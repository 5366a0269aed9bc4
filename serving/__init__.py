"""Exported artifacts to answers. Reads artifacts alone: it needs neither the run nor the data."""
