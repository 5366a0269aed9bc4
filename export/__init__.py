"""A trained model to verified artifacts."""
