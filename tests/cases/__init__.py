"""Agreement with cases made by others."""
