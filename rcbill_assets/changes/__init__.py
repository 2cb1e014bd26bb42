"""The door into REDCap: nothing is written there but as a change set (DOMAIN.md section 9, DESIGN.md section 4)."""
