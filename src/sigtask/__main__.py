"""`python -m sigtask`: the same as the command `sigtask`."""

from .cli import main

if __name__ == "__main__":
    main()
