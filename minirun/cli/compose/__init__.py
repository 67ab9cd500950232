"""`minirun compose ...`: the words of its commands, and what they show."""
