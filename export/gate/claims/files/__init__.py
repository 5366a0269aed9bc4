"""How an artifact's file is built, read by its format's own messages."""
