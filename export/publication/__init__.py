"""What a published version consists of, and how it appears."""
