"""`python -m blockqnn`, as torchrun starts it, is the command blockqnn."""

from blockqnn.cli import main

main()
