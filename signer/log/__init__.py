"""The log as its checkers see it: where it is read from, what has to hold in it, and what is wrong where it does not.

Nothing here knows the database or the web: a source gives bytes, and no byte is believed before it is checked.
"""
