"""Raw images to TFRecords, and TFRecords to batches."""
