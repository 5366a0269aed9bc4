"""What answers: models and their versions, loaded, batched, swapped."""
