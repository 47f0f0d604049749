"""`python -m cotdistill`."""

from cotdistill.cli.main import main

if __name__ == "__main__":
    main()
