"""What was found, said by a person who has looked: for the table."""

KNOWN: dict[tuple[str, str], str] = {}
