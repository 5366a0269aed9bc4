"""The one command, `digitline`."""
