"""What is billed: one interface, and one module per service. Pure. `REGISTRY` is the only list of them."""
