"""Yes and no in the words of Go's programs, for people know them from Docker.

See  strconv.ParseBool
"""

# {a word: what it stands for}: as ParseBool has them, and for whoever makes a word small before
EXACT = {
    **dict.fromkeys(("1", "t", "T", "true", "True", "TRUE"), True),
    **dict.fromkeys(("0", "f", "F", "false", "False", "FALSE"), False),
}
SMALL = {**dict.fromkeys(("1", "t", "true"), True), **dict.fromkeys(("0", "f", "false"), False)}
