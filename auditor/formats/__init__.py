"""Raw lines -> exchanges or events: one file a format, and nothing else."""
