"""How picture files become images: one way, recorded with a dataset and all that comes of it."""
