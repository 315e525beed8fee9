"""Ways on which reports reach people, one file each."""
