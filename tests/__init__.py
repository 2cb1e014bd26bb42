"""The tests, in four tiers by folder.

unit/         mirrors the package; pure code, milliseconds, no server
integration/  one part against a real MariaDB, PostgreSQL or mail server
pipeline/     whole months through the real job
cases/        agreement with cases made by others

What a test may use is in conftest.py and servers/; what a test may not do is in collection.py.
"""
