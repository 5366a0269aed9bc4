"""Arrays in NumPy files: which is what, pixels, labels."""
