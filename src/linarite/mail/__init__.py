"""Mail to users, by an SMTP server that the settings name."""
