"""Images to TFRecords."""
