"""The network that a run trains, its parts, and what changes their weights."""
