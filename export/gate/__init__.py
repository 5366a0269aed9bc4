"""Every artifact is compared with its model before it is published."""
