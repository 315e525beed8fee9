"""A stand-in for the Imejis API on loopback: real pictures, plans that run out, faults on request, and an invoice."""
