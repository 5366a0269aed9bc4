"""Slices worked through by processes of this machine, or by a cluster."""
