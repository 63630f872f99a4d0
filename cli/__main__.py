"""`python -m edgecap.cli`."""

from edgecap.cli.main import main

if __name__ == "__main__":
    main()
