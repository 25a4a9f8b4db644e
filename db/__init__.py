"""Tables, sessions, queries and migrations: the truth about assets."""
