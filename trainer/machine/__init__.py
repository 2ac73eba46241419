"""What the trainer needs of the machine: its device, ranks, files, memory, parent process."""
