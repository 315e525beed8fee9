"""A stand-in for the Imejis API on loopback: real images, plans that run out, faults on request, and an invoice."""
