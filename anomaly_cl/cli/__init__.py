"""The command line, `anomaly-cl`: one file a command, each parses, calls and reports."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; exit code 0 done, 2 wrong usage, 3 bad input, 4 bad model."""
    from anomaly_cl.cli.app import app, say_error
    from anomaly_cl.errors import AnomalyCLError, InputError

    try:
        app()
    except AnomalyCLError as error:
        say_error(error)
        sys.exit(error.exit_code)
    except OSError as error:
        refused = InputError("files must be readable, writable and fit on the disk", str(error),
                             "check the path, the rights and the free space, also of the folder for temporary files")
        for line in getattr(error, "__notes__", ()):
            refused.add_note(line)
        say_error(refused)
        sys.exit(refused.exit_code)
