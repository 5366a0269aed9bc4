"""What must hold of an artifact: a file of checks for each kind of claim."""
