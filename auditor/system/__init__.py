"""The machine below: files, memory, network, terminal, and how every command ends."""
