"""A report as a page and as a trace. Loaded only when one is written: a program that starts does not pay for it."""
