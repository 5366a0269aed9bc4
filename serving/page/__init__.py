"""The page at `/`, where a person draws a digit."""
