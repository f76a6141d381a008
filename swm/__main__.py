# SPDX-License-Identifier: Apache-2.0
"""`python -m swm`, where the console script is not on the path."""

from swm.cli import main

if __name__ == "__main__":
    main()
