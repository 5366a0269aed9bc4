"""The formats that the exporter writes."""
