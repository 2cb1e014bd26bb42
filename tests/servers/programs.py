"""Where the programs are that tests start, and which Debian package brings a missing one. Standard library only.

`python -m tests.servers.programs` prints the packages that are missing; scripts/debian_packages.sh installs them.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Program:
    """Something a test may need from the system: its executables, and the Debian package they come in."""

    package: str
    executables: tuple[str, ...]
    # Debian keeps servers off an ordinary user's PATH. The last match of a pattern, by number, goes first.
    folders: str = ""

    def find(self, executable: str) -> Path | None:
        """The full path of one executable, from the same place for all executables of a package."""
        pattern = Path(self.folders or ".")
        found = Path(pattern.anchor or ".").glob(str(pattern.relative_to(pattern.anchor))) if self.folders else iter(())
        newest_first = sorted((str(folder) for folder in found), key=lambda path: (len(path), path), reverse=True)
        path = shutil.which(executable, path=os.pathsep.join([*newest_first, os.environ.get("PATH", os.defpath)]))
        return Path(path) if path else None

    def path(self, executable: str) -> Path:
        """As `find`, for a program that must be there."""
        path = self.find(executable)
        if path is None:
            message = f"{executable} is not installed; install it with: sudo apt-get install {self.package}"
            raise FileNotFoundError(message)
        return path

    @property
    def installed(self) -> bool:
        """Whether every executable is there."""
        return all(self.find(executable) for executable in self.executables)


PROGRAMS = {
    "mariadb": Program("mariadb-server", ("mariadbd", "mariadb-install-db"), "/usr/sbin"),
    "postgres": Program("postgresql", ("postgres", "initdb"), "/usr/lib/postgresql/*/bin"),
    "chromium": Program("chromium", ("chromium",)),
}


if __name__ == "__main__":
    print(*(program.package for program in PROGRAMS.values() if not program.installed))
