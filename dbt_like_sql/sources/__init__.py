"""One portable SELECT per table of a source, run unmodified on MariaDB, MySQL and SQLite."""
