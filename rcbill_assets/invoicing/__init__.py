"""From what is billed to what leaves the house: generic invoices, and the publishers that take them out."""
