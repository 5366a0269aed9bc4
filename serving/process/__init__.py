"""The server as a process: what it logs and counts, and how it ends."""
