"""What people run artifacts in: which runtimes there are, and files in each of them."""
