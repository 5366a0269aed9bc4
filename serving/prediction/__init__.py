"""The parts of `digitline predict`: what is asked, by which model, and how it is answered."""
