"""A run: its configuration, its folder, and what is recorded in it."""
