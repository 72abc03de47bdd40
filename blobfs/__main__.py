"""`python -m blobfs` is the command `blobfs`."""

from blobfs.cli import main

if __name__ == "__main__":
    main()
