"""What a run looks like: pages, figures, tables."""
