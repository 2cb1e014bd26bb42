"""Publishers: each takes a generic invoice out in one shape. Pure."""
