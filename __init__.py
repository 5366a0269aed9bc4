"""digitline: pixels in, verified SavedModels and TFLite files out."""

__version__ = "0.1.0"
