"""Images that are numbers, in CSV and NumPy files: read in one way to train and to predict."""
