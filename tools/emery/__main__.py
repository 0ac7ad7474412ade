"""`python -m emery`: the same as the command `emery`."""

from emery.cli import main

if __name__ == "__main__":
    main()
