"""One module a verb; the only room that prints or exits."""
