"""Where images come from: files, archives, downloads, arrays."""
