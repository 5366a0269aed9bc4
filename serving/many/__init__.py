"""Several server processes at the same ports: a parent says what they serve, and replaces them."""
