"""What is in a prepared dataset, and what is wrong with it."""
