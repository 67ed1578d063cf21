"""``python -m differ`` is the command ``mirrordiff``."""

from differ.cli import main

main()
