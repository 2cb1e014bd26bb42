"""The pipeline that decides what a REDCap service bills each month. See README.md and docs/."""
