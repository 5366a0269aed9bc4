"""A trained model's figures on a split."""
