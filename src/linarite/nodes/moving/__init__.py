"""Files brought to a node before a run starts and taken away after it ended, by a process of its own (`carrier`)."""
