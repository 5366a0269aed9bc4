"""How fast servers answer: ours, and those that people use instead."""
