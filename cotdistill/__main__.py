"""`python -m cotdistill`."""

from cotdistill.cli import main

if __name__ == "__main__":
    main()
