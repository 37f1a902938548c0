"""What `sigtask.testing.explore` is made of. Read `session` first."""
