"""`python -m digitline.cli`: the same as `digitline`."""

from .main import main

main()
