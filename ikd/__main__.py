"""The command `python -m ikd`."""

from ikd.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
