"""CSV files: of pixels, or of the names of picture files."""
