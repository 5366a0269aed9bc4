"""Picture files to images in the graph: the pixels that `base/pictures/` gives, bit for bit."""
