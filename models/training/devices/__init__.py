"""The devices and processes that a training is shared out among."""
