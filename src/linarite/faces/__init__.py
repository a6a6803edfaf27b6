"""What speaks to clients: a folder for each protocol, and the pages for people. No face knows another."""
